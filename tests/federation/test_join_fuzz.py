"""Whatever other servers hand in, the answer is theirs to read: never an error of ours."""

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError
from ranvier.proto.event_build import complete_event
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.rooms.accept import Arrival
from ranvier.rooms.write import Draft
from ranvier.store.events import ACCEPTED
from tests.federation.town import Person, Server, Town, town
from tests.services.postgres import DatabasePool, Postgres

ONE, TWO = "one.test", "two.test"

ODD: list[Any] = [
    None, True, 0, -1, 2**53, 2**63, 2**70, 1.5, "", "\0", "\U0001f600", "x" * 70_000, [], [[]], [1], {}, {"": {}},
    {"signed": {"token": "\0"}}, ["$a", {}], [["$a", {"sha256": 1}]], "@a:b", "!a:b", "$a:b",
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Iterator[list[dict[str, Any]]]:
    if request.param == "sqlite":
        yield []
        return
    pool: DatabasePool = request.getfixturevalue("postgres_databases")
    server: Postgres = request.getfixturevalue("postgres")
    names = [pool.take() for _ in (ONE, TWO)]
    yield [{"name": "psycopg2", "args": server.args(name)} for name in names]
    for name in names:
        pool.give_back(name)


@pytest.fixture
async def place(databases: list[dict[str, Any]]) -> AsyncIterator[Town]:
    async with town(ONE, TWO, databases=databases) as made:
        yield made


async def status(server: Server, act: str, rest: list[str], body: Any) -> int:
    try:
        await server.answer(TWO, act, rest, [("ver", "11")] if act.startswith("v1 make") else [], body)
    except MatrixError as error:
        return error.status
    return 200


async def handed_in(place: Town, alice: Person, bob: Person) -> tuple[str, str, Any]:
    """A room, and a join to it that is properly signed."""
    room_id = await alice.client.create_room(preset="public_chat", room_version="11")
    await bob.join(room_id, ONE)
    rooms = place.servers[ONE].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    return room_id, stored.event.event_id, stored.event.pdu


@pytest.mark.parametrize("act", ["v1 send_join", "v2 send_join", "v1 send_knock", "v1 send_leave", "v2 send_leave"])
async def test_damaged_events_are_refused(place: Town, act: str) -> None:
    alice, bob = await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")
    room_id, event_id, pdu = await handed_in(place, alice, bob)
    for field in [*pdu, "unsigned", "redacts"]:
        for value in ODD:
            body = deepcopy(pdu)
            body[field] = value
            assert await status(place.servers[ONE], act, [room_id, event_id], body) < 500, (field, value)
    for key in ("membership", "join_authorised_via_users_server", "third_party_invite", "displayname"):
        for value in ODD:
            body = deepcopy(pdu)
            body["content"][key] = value
            assert await status(place.servers[ONE], act, [room_id, event_id], body) < 500, (key, value)


def signed(place: Town, pdu: dict[str, Any]) -> Event | None:
    """The event as a server would sign it that means it so; `None` if it is no event."""
    try:
        return complete_event(deepcopy(pdu), ROOM_VERSIONS["11"], signing_key=place.servers[TWO].key, server_name=TWO)
    except InvalidEvent:
        return None


@pytest.mark.parametrize("act", ["v2 send_join", "v1 send_knock", "v2 send_leave"])
async def test_odd_events_that_are_properly_signed_are_refused_or_taken(place: Town, act: str) -> None:
    alice, bob = await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")
    room_id, _, pdu = await handed_in(place, alice, bob)
    membership = act.partition("_")[2]
    bodies = []
    for value in ODD:
        for field in ("prev_events", "auth_events", "depth", "origin_server_ts", "origin", "redacts", "more"):
            bodies.append({**pdu, field: value, "content": {"membership": membership}})
        for key in ("join_authorised_via_users_server", "third_party_invite", "displayname", "reason"):
            bodies.append({**pdu, "content": {"membership": membership, key: value}})
        bodies.append({**pdu, "content": {"membership": membership}, "prev_events": [value], "auth_events": [value]})
    found = set()
    for body in bodies:
        event = signed(place, body)
        if event is not None:
            code = await status(place.servers[ONE], act, [room_id, event.event_id], event.pdu)
            assert code < 500, body
            found.add(code)
    assert len(found) > 1
    assert (await alice.client.say(room_id, "still here")).startswith("$")


async def test_damaged_invitations_are_refused(place: Town) -> None:
    alice, bob = await place.servers[TWO].register("alice"), await place.servers[ONE].register("bob")
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    await alice.invite(room_id, bob)
    rooms = place.servers[TWO].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    event_id, pdu = stored.event.event_id, stored.event.pdu
    for value in ODD:
        for body in (
            {"room_version": value, "event": pdu},
            {"room_version": "11", "event": value},
            {"room_version": "11", "event": pdu, "invite_room_state": value},
            {"room_version": "11", "event": pdu, "invite_room_state": [value, {"type": value, "content": value}]},
            {"room_version": "11", "event": {**pdu, "state_key": value}},
            {"room_version": "11", "event": {**pdu, "content": {"membership": "invite", "third_party_invite": value}}},
        ):
            assert await status(place.servers[ONE], "v2 invite", [room_id, event_id], body) < 500, body
        for unsigned in (value, {"invite_room_state": value}):
            body = {**pdu, "unsigned": unsigned}
            assert await status(place.servers[ONE], "v1 invite", [room_id, event_id], body) < 500, body


@pytest.mark.parametrize("act", ["v1 make_join", "v1 make_knock", "v1 make_leave"])
async def test_odd_paths_are_refused(place: Town, act: str) -> None:
    alice = await place.servers[ONE].register("alice")
    room_id = await alice.client.create_room(preset="public_chat")
    names = [value for value in ODD if isinstance(value, str) and value and len(value) < 1000]
    for name in [*names, f"@a\0:{TWO}", f"@:{TWO}", f"@a:{TWO}:1:2", "@" + "a" * 300 + f":{TWO}"]:
        assert await status(place.servers[ONE], act, [room_id, name], None) < 500
        assert await status(place.servers[ONE], act, [name, f"@a:{TWO}"], None) < 500


async def test_odd_third_party_invites_are_refused(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    room_id = await alice.client.create_room(preset="public_chat")
    body = {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": alice.user_id,
        "state_key": f"@bob:{TWO}",
        "content": {"membership": "invite", "third_party_invite": {"signed": {"token": "x"}}},
    }
    for value in ODD:
        for field in body:
            odd = {**body, field: value}
            assert await status(place.servers[ONE], "v1 exchange_third_party_invite", [room_id], odd) < 500
        bound = {"mxid": alice.user_id, "invites": value}
        assert await status(place.servers[ONE], "v1 3pid", ["onbind"], bound) < 500
        pending = {"room_id": value, "sender": value, "signed": value}
        assert await status(place.servers[ONE], "v1 3pid", ["onbind"], {**bound, "invites": [pending]}) < 500


async def test_ids_that_no_database_can_hold_are_refused(place: Town) -> None:
    """NUL is valid in JSON, and in state keys, but not in ids."""
    alice, bob = await place.servers[TWO].register("alice"), await place.servers[ONE].register("bob")
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    await alice.invite(room_id, bob)
    rooms = place.servers[TWO].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    for odd in ("!a\0b:two.test", "!\0", "!", "!a"):
        body = {**stored.event.pdu, "room_id": odd}
        try:
            event = complete_event(body, ROOM_VERSIONS["11"], signing_key=place.servers[TWO].key, server_name=TWO)
        except InvalidEvent:
            continue
        request = {"room_version": "11", "event": event.pdu, "invite_room_state": []}
        assert await status(place.servers[ONE], "v2 invite", [odd, event.event_id], request) == 400


async def test_state_keys_of_other_servers_may_hold_nul(place: Town) -> None:
    alice, bob = await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")
    levels = {"users": {alice.user_id: 100, bob.user_id: 100}}
    room_id = await alice.client.create_room(
        preset="public_chat", room_version="11", power_level_content_override=levels
    )
    await bob.join(room_id, ONE)
    two = place.servers[TWO].rooms
    keys = ["a\0b", "a\x10b", "\x10", "\0", ""]
    for state_key in keys:
        draft = Draft(sender=bob.user_id, type="odd\0type", state_key=state_key, content={"is": state_key})
        (stored,) = await two.writer.write(room_id, [draft])
        (taken,) = await place.servers[ONE].rooms.accepting.accept(room_id, [Arrival(event=stored.event)])
        assert taken is not None
        assert taken.status == ACCEPTED
    state = (await alice.client.get(f"/rooms/{room_id}/state")).ok()
    found = {event["state_key"]: event["content"]["is"] for event in state if event["type"] == "odd\0type"}
    assert found == {state_key: state_key for state_key in keys}
