"""Joining rooms of other servers, and letting their users join ours.

Spec: server-server API, "Joining Rooms".
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.resident_state import StateBefore
from ranvier.proto.errors import MatrixError
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.federation.town import Person, Server, Town, deliver, town

ONE, TWO, THREE = "one.test", "two.test", "three.test"


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town(ONE, TWO, THREE) as made:
        yield made


async def people(place: Town) -> tuple[Person, Person, Person]:
    """One user of each server."""
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    return alice, bob, await place.servers[THREE].register("carol")


async def refused(act: Any) -> MatrixError:
    """The error that a call ends with."""
    with pytest.raises(MatrixError) as caught:
        await act
    return caught.value


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
async def test_a_user_joins_a_room_of_another_server(place: Town, version: str) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat", room_version=version, topic="far away")
    await bob.join(room_id, ONE)
    for server in place.servers.values():
        if server.name != THREE:
            assert await server.membership(room_id, bob.user_id) == "join"
            assert await server.membership(room_id, alice.user_id) == "join"
    assert (await bob.client.state(room_id, "m.room.topic")).ok()["topic"] == "far away"
    joined = (await bob.rooms("join"))[room_id]
    assert bob.user_id in {event["sender"] for event in joined["timeline"]["events"]}
    assert room_id in (await bob.client.get("/joined_rooms")).ok()["joined_rooms"]
    assert place.asks(TWO) == [f"make_join {ONE}", f"send_join {ONE}"]


async def test_the_resident_tells_the_other_servers_of_the_join(place: Town) -> None:
    alice, bob, carol = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    await bob.join(room_id, ONE)
    await carol.join(room_id, ONE)
    forwarded = place.servers[ONE].forward.sent
    assert [destinations for _, destinations in forwarded] == [frozenset(), frozenset({TWO})]
    stored = await place.servers[ONE].rooms.rooms.member(
        await place.servers[ONE].rooms.rooms.get(room_id), carol.user_id
    )
    assert stored is not None
    assert forwarded[1][0] == stored.event.event_id
    assert {ONE, THREE} <= stored.event.pdu["signatures"].keys()


async def test_a_second_user_needs_no_handshake(place: Town) -> None:
    alice, bob, _ = await people(place)
    ben = await place.servers[TWO].register("ben")
    room_id = await alice.client.create_room(preset="public_chat")
    await asyncio.gather(bob.join(room_id, ONE), ben.join(room_id, ONE))
    await bob.join(room_id)
    assert place.asks(TWO) == [f"make_join {ONE}", f"send_join {ONE}"]
    assert await place.servers[TWO].membership(room_id, ben.user_id) == "join"


async def test_joining_by_an_alias_of_another_server(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat", room_alias_name="square")
    memberships = place.servers[TWO].memberships
    found, servers = await memberships.resolve(f"#square:{ONE}")
    assert (found, servers[-1]) == (room_id, ONE)
    await memberships.join(bob.requester, found, via=servers)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"
    error = await refused(memberships.resolve(f"#nowhere:{ONE}"))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    error = await refused(memberships.resolve("#nowhere:gone.test"))
    assert error.status == 502
    assert (await memberships.resolve(room_id))[0] == room_id


async def test_servers_are_asked_in_order_until_one_helps(place: Town) -> None:
    alice, bob, carol = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    await bob.join(room_id, ONE)
    place.down.add(ONE)
    place.asked.clear()
    await carol.join(room_id, "gone.test", THREE, "not a server", ONE, TWO)
    assert place.asks(THREE) == ["make_join gone.test", f"make_join {ONE}", f"make_join {TWO}", f"send_join {TWO}"]
    assert await place.servers[TWO].membership(room_id, carol.user_id) == "join"


async def test_without_a_server_to_ask_the_room_is_unknown(place: Town) -> None:
    _, bob, _ = await people(place)
    error = await refused(bob.join("!" + "a" * 43))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    error = await refused(bob.join("!room:gone.test"))
    assert error.status == 502
    error = await refused(bob.join("nonsense"))
    assert error.status == 400


async def test_what_the_resident_refuses_is_passed_on(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="private_chat")
    error = await refused(bob.join(room_id, "gone.test", ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    error = await refused(bob.join(f"!unknown:{ONE}"))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    assert await place.servers[TWO].rooms.rooms.find(room_id) is None


async def test_an_acl_keeps_servers_out(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    await alice.client.set_state(room_id, "m.room.server_acl", {"allow": ["*"], "deny": [TWO]})
    error = await refused(bob.join(room_id, ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def ask(server: Server, origin: str, act: str, *rest: str, body: Any = None, ver: tuple[str, ...] = ()) -> Any:
    return await server.answer(origin, act, list(rest), [("ver", name) for name in ver], body)


async def test_make_join_asks_for_the_users_own_server_and_a_known_version(place: Town) -> None:
    alice, bob, _ = await people(place)
    one = place.servers[ONE]
    room_id = await alice.client.create_room(preset="public_chat", room_version="11")
    error = await refused(ask(one, THREE, "v1 make_join", room_id, bob.user_id, ver=("11",)))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    for versions in ((), ("1", "10")):
        error = await refused(ask(one, TWO, "v1 make_join", room_id, bob.user_id, ver=versions))
        assert (error.status, error.errcode) == (400, "M_INCOMPATIBLE_ROOM_VERSION")
        assert error.extra["room_version"] == "11"
    answer = await ask(one, TWO, "v1 make_join", room_id, bob.user_id, ver=("10", "11"))
    assert answer["room_version"] == "11"
    event = answer["event"]
    assert (event["type"], event["room_id"], event["sender"]) == ("m.room.member", room_id, bob.user_id)
    assert event["content"] == {"membership": "join"}
    assert event["origin"] == ONE
    assert not {"signatures", "hashes", "event_id"} & event.keys()


async def test_send_join_refuses_what_is_not_the_users_join(place: Town) -> None:
    alice, bob, carol = await people(place)
    one = place.servers[ONE]
    room_id = await alice.client.create_room(preset="public_chat", room_version="11")
    kept: list[Any] = []

    def keep(server: str, act: str, answer: Any) -> Any:
        if act == "send_join":
            kept.append(answer["event"])
        return answer

    place.tamper = keep
    await bob.join(room_id, ONE)
    pdu = kept[0]
    event_id = (await ids(one, room_id, bob.user_id))[0]
    cases: list[tuple[str, str, Any]] = [
        (THREE, event_id, pdu),
        (TWO, "$other", pdu),
        (TWO, event_id, {**pdu, "content": {"membership": "leave"}}),
        (TWO, event_id, {**pdu, "type": "m.room.message"}),
        (TWO, event_id, {**pdu, "state_key": carol.user_id}),
        (TWO, event_id, {**pdu, "room_id": "!other:x"}),
        (TWO, event_id, {**pdu, "signatures": {}}),
        (TWO, event_id, {**pdu, "signatures": {TWO: {"ed25519:a_1": "A" * 86}}}),
    ]
    for origin, path_id, body in cases:
        error = await refused(ask(one, origin, "v2 send_join", room_id, path_id, body=body))
        assert (error.status, error.errcode) == (400, "M_INVALID_PARAM")
    error = await refused(ask(one, TWO, "v2 send_join", "!unknown:x", event_id, body=pdu))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    error = await refused(ask(one, TWO, "v2 send_join", room_id, event_id, body={"type": "m.room.member"}))
    assert (error.status, error.errcode) == (400, "M_BAD_JSON")


async def ids(server: Server, room_id: str, user_id: str) -> list[str]:
    room = await server.rooms.rooms.get(room_id)
    stored = await server.rooms.rooms.member(room, user_id)
    assert stored is not None
    return [stored.event.event_id]


async def test_handing_in_a_join_again_is_answered_as_the_first_time(place: Town) -> None:
    alice, bob, _ = await people(place)
    one = place.servers[ONE]
    room_id = await alice.client.create_room(preset="public_chat")
    answers: list[Any] = []

    def keep(server: str, act: str, answer: Any) -> Any:
        if act == "send_join":
            answers.append(answer)
        return answer

    place.tamper = keep
    await bob.join(room_id, ONE)
    (event_id,) = await ids(one, room_id, bob.user_id)
    again = await ask(one, TWO, "v2 send_join", room_id, event_id, body=answers[0]["event"])
    assert again == answers[0]
    assert bob.user_id not in {event.get("state_key") for event in again["state"]}
    assert not again["members_omitted"]
    known = {event["type"] for event in again["auth_chain"]}
    assert {"m.room.power_levels", "m.room.member", "m.room.join_rules"} <= known


async def test_older_servers_are_talked_to_in_the_older_form(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    place.servers[ONE].unknown.add("v2 send_join")
    await bob.join(room_id, ONE)
    assert place.asks(TWO) == [f"make_join {ONE}", f"send_join {ONE}", f"send_join {ONE}"]
    assert await place.servers[TWO].membership(room_id, bob.user_id) == "join"


@pytest.mark.parametrize(("value", "is_valid"), [("true", True), ("false", True), ("maybe", False), ("", False)])
async def test_omit_members_is_true_or_false(place: Town, value: str, is_valid: bool) -> None:
    alice, bob, _ = await people(place)
    one = place.servers[ONE]
    room_id = await alice.client.create_room(preset="public_chat", name="Square")
    await bob.join(room_id, ONE)
    stored = await one.rooms.rooms.member(await one.rooms.rooms.get(room_id), bob.user_id)
    assert stored is not None
    asked = one.answer(
        TWO, "v2 send_join", [room_id, stored.event.event_id], [("omit_members", value)], stored.event.pdu
    )
    if is_valid:
        answer = await asked
        assert answer["members_omitted"] is (value == "true")
        assert ("servers_in_room" in answer) is (value == "true")
        assert (alice.user_id in {event.get("state_key") for event in answer["state"]}) is (value == "false")
    else:
        error = await refused(asked)
        assert (error.status, error.errcode) == (400, "M_INVALID_PARAM")


async def test_a_state_event_that_is_not_properly_signed_is_left_out(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat", topic="forged", name="kept")

    def forge(server: str, act: str, answer: Any) -> Any:
        for event in answer.get("state", ()) if act == "send_join" else ():
            if event["type"] == "m.room.topic":
                event["sender"] = "@mallory:" + ONE
        return answer

    place.tamper = forge
    await bob.join(room_id, ONE)
    assert (await bob.client.state(room_id, "m.room.topic")).status == 404
    assert (await bob.client.state(room_id, "m.room.name")).ok()["name"] == "kept"


async def test_a_content_that_was_changed_on_the_way_is_redacted(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat", topic="original")

    def forge(server: str, act: str, answer: Any) -> Any:
        for event in answer.get("state", ()) if act == "send_join" else ():
            if event["type"] == "m.room.topic":
                event["content"] = {"topic": "changed"}
        return answer

    place.tamper = forge
    await bob.join(room_id, ONE)
    assert (await bob.client.state(room_id, "m.room.topic")).ok() == {}


def without(type_: str) -> Any:
    """Leaves events of a type out of the answer."""

    def tamper(server: str, act: str, answer: Any) -> Any:
        if act == "send_join":
            for field in ("state", "auth_chain"):
                answer[field] = [event for event in answer[field] if event["type"] != type_]
        return answer

    return tamper


@pytest.mark.parametrize("type_", ["m.room.create", "m.room.join_rules", "m.room.member"])
async def test_an_answer_that_does_not_hold_together_is_believed_in_nothing(place: Town, type_: str) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    place.tamper = without(type_)
    error = await refused(bob.join(room_id, ONE))
    assert error.status == 502
    assert await place.servers[TWO].rooms.rooms.find(room_id) is None
    assert room_id not in await bob.rooms("join")
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"
    place.tamper = None
    await bob.join(room_id, ONE)
    assert await place.servers[TWO].membership(room_id, bob.user_id) == "join"


@pytest.mark.parametrize(
    "damage",
    [
        {"type": "m.room.power_levels"},
        {"sender": "@mallory:two.test"},
        {"state_key": "@mallory:two.test"},
        {"room_id": "!other:one.test"},
        {"content": {"membership": "leave"}},
    ],
)
async def test_a_template_for_something_else_is_not_signed(place: Town, damage: dict[str, Any]) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")

    def forge(server: str, act: str, answer: Any) -> Any:
        if act == "make_join":
            answer["event"] |= damage
        return answer

    place.tamper = forge
    error = await refused(bob.join(room_id, ONE))
    assert error.status == 502
    assert place.asks(TWO) == [f"make_join {ONE}"]


async def test_a_room_that_was_left_is_joined_again(place: Town) -> None:
    alice, bob, _ = await people(place)
    room_id = await alice.client.create_room(preset="public_chat")
    await bob.join(room_id, ONE)
    await bob.leave(room_id)
    await deliver(place, room_id, bob, TWO, ONE)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"
    await alice.client.set_state(room_id, "m.room.topic", {"topic": "meanwhile"})
    await bob.join(room_id)
    assert (await bob.client.state(room_id, "m.room.topic")).ok() == {"topic": "meanwhile"}
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"


async def test_answering_a_join_costs_no_more_statements_in_a_larger_room(place: Town) -> None:
    alice, bob, _ = await people(place)
    one = place.servers[ONE]
    room_id = await alice.client.create_room(preset="public_chat")
    await bob.join(room_id, ONE)
    (event_id,) = await ids(one, room_id, bob.user_id)
    stored = (await one.rooms.cache.by_id([event_id]))[event_id]
    room = await one.rooms.rooms.get(room_id)

    async def cost() -> int:
        states = StateBefore(rooms=one.rooms.rooms, auth_chains=AuthChains(db=one.homeserver.db))
        before = one.homeserver.db.counters.statements
        await states.of(room, stored)
        return one.homeserver.db.counters.statements - before

    small = await cost()
    for number in range(20):
        person = await one.register(f"person{number}")
        await person.join(room_id)
    await bob.leave(room_id)
    await deliver(place, room_id, bob, TWO, ONE)
    await bob.join(room_id)
    (event_id,) = await ids(one, room_id, bob.user_id)
    stored = (await one.rooms.cache.by_id([event_id]))[event_id]
    assert await cost() <= small + 4
    assert small <= 8
