"""What is answered to a join that can do without members. Spec: `omit_members` of `/send_join`, MSC3706, MSC3943."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import orjson
import pytest

from ranvier.federation.client import FederationClient
from ranvier.federation.handshake import Handshakes
from ranvier.ports import SystemClock, SystemRandom
from ranvier.proto.event_format import parse_event
from ranvier.proto.events import Event
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.api.asgi import Client
from tests.budget.test_statements import spending
from tests.federation.town import FakeClient, Person, Server, Town, town
from tests.rooms.remote_room import RemoteRoom

ONE, TWO, THREE = "one.test", "two.test", "three.test"
LARGE = 1_000
LOOK_UPS = 2
"""Statements that tell whether an event that comes in is one that was missing, or that a redaction has waited for."""
Answer = dict[str, Any]


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town(ONE, TWO, THREE) as made:
        yield made


async def join(place: Town, name: str, room_id: str, *, server: str = TWO, omit: bool = True) -> tuple[Event, Answer]:
    """The join of a user of another server, and what ours answers."""
    other = place.servers[server]
    handshakes = Handshakes(
        client=cast(FederationClient, FakeClient(place, server)),
        clock=SystemClock(),
        random=SystemRandom(),
        server_name=server,
        signing_key=other.key,
    )
    template = await handshakes.make(ONE, "join", room_id, f"@{name}:{server}")
    event = handshakes.complete(template, {"membership": "join"})
    return event, await hand_in(place, event, server=server, omit=omit)


async def hand_in(place: Town, event: Event, *, server: str = TWO, omit: bool = True) -> Answer:
    query = [("omit_members", "true")] if omit else []
    answer: Answer = await place.servers[ONE].answer(
        server, "v2 send_join", [event.room_id, event.event_id], query, event.pdu
    )
    return answer


def events(answer: Answer, section: str, version: str = "11") -> list[Event]:
    return [parse_event(pdu, ROOM_VERSIONS[version]) for pdu in answer[section]]


def members(answer: Answer) -> list[str]:
    return [pdu["state_key"] for pdu in answer["state"] if pdu["type"] == "m.room.member"]


def check_whole(answer: Answer, sent: Event, version: str = "11") -> None:
    """Nothing is there twice, and nothing is missing that authorises what is there."""
    told = [*events(answer, "state", version), *events(answer, "auth_chain", version)]
    ids = [event.event_id for event in told]
    assert len(ids) == len(set(ids))
    assert sent.event_id not in ids
    for event in (*told, sent):
        assert set(event.auth_events) <= set(ids), event.type


async def room_of(place: Town, **options: object) -> tuple[Client, str]:
    alice = (await place.servers[ONE].register("alice")).client
    return alice, await alice.create_room(preset="public_chat", room_version="11", **options)


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
async def test_a_named_room_is_told_without_members(place: Town, version: str) -> None:
    alice = (await place.servers[ONE].register("alice")).client
    room_id = await alice.create_room(preset="public_chat", name="Square", topic="all", room_version=version)
    await join(place, "carol", room_id, server=THREE)
    sent, answer = await join(place, "bob", room_id)
    assert answer["members_omitted"] is True
    assert answer["origin"] == ONE
    assert answer["servers_in_room"] == [ONE, THREE]
    assert members(answer) == []
    assert {"m.room.create", "m.room.name", "m.room.topic", "m.room.power_levels", "m.room.join_rules"} <= {
        pdu["type"] for pdu in answer["state"]
    }
    assert [event.state_key for event in events(answer, "auth_chain", version)] == [alice.user_id]
    check_whole(answer, sent, version)


async def test_servers_are_those_before_the_join(place: Town) -> None:
    _, room_id = await room_of(place, name="Square")
    sent, answer = await join(place, "bob", room_id)
    assert answer["servers_in_room"] == [ONE]
    again, second = await join(place, "ben", room_id)
    assert second["servers_in_room"] == [ONE, TWO]
    # Handed in again, also after others have come, it is answered in the same way.
    await join(place, "carol", room_id, server=THREE)
    assert await hand_in(place, sent) == answer
    assert await hand_in(place, again) == second


async def test_without_the_parameter_all_is_told(place: Town) -> None:
    alice, room_id = await room_of(place, name="Square")
    await join(place, "carol", room_id, server=THREE)
    _, answer = await join(place, "bob", room_id, omit=False)
    assert answer["members_omitted"] is False
    assert "servers_in_room" not in answer
    assert set(members(answer)) == {alice.user_id, f"@carol:{THREE}"}
    in_state = {event.event_id for event in events(answer, "state")}
    assert in_state & {event.event_id for event in events(answer, "auth_chain")}


async def test_the_older_version_knows_no_such_parameter(place: Town) -> None:
    alice, room_id = await room_of(place, name="Square")
    sent, _ = await join(place, "bob", room_id)
    _, answer = await place.servers[ONE].answer(
        TWO, "v1 send_join", [room_id, sent.event_id], [("omit_members", "true")], sent.pdu
    )
    assert members(answer) == [alice.user_id]


async def test_a_room_without_a_name_is_told_with_its_heroes(place: Town) -> None:
    alice, room_id = await room_of(place)
    locals_ = [alice, *[(await place.servers[ONE].register(f"user{number}")).client for number in range(8)]]
    for client in locals_[1:7]:
        (await client.act(room_id, "join")).ok()
    (await locals_[2].act(room_id, "leave")).ok()
    (await alice.act(room_id, "invite", user_id=locals_[7].user_id)).ok()
    sent, answer = await join(place, "bob", room_id)
    heroes = [locals_[number].user_id for number in (0, 1, 3, 4, 5)]
    assert members(answer) == heroes
    assert answer["members_omitted"] is True
    check_whole(answer, sent)
    # A hero who goes makes room for the next one.
    (await locals_[1].act(room_id, "leave")).ok()
    sent, answer = await join(place, "ben", room_id)
    assert members(answer) == [locals_[number].user_id for number in (0, 3, 4, 5, 6)]
    check_whole(answer, sent)


async def test_who_joins_is_no_hero(place: Town) -> None:
    alice, room_id = await room_of(place)
    bob = f"@bob:{TWO}"
    await join(place, "bob", room_id)
    await join(place, "carol", room_id, server=THREE)
    sent, answer = await join(place, "bob", room_id)
    assert members(answer) == [alice.user_id, f"@carol:{THREE}"]
    assert answer["members_omitted"] is True
    # What was in force of bob's before authorises the new event.
    assert bob in {event.state_key for event in events(answer, "auth_chain")}
    check_whole(answer, sent)


async def test_a_room_of_heroes_only_is_told_whole(place: Town) -> None:
    alice, room_id = await room_of(place)
    sent, answer = await join(place, "bob", room_id)
    assert members(answer) == [alice.user_id]
    assert answer["members_omitted"] is False
    assert "servers_in_room" not in answer
    check_whole(answer, sent)


async def test_what_invites_a_user_authorises_the_join(place: Town) -> None:
    alice = (await place.servers[ONE].register("alice")).client
    room_id = await alice.create_room(preset="private_chat", room_version="11", name="Tea")
    bob = await place.servers[TWO].register("bob")
    await Person(place.servers[ONE], alice).invite(room_id, bob)
    sent, answer = await join(place, "bob", room_id)
    assert members(answer) == []
    assert {alice.user_id, bob.user_id} == {event.state_key for event in events(answer, "auth_chain")}
    check_whole(answer, sent)


@pytest.mark.parametrize("name", ["", None])
async def test_an_empty_name_is_none(place: Town, name: str | None) -> None:
    alice, room_id = await room_of(place, name="Square")
    (await alice.set_state(room_id, "m.room.name", {} if name is None else {"name": name})).ok()
    _, answer = await join(place, "bob", room_id)
    assert members(answer) == [alice.user_id]


async def test_an_alias_is_a_name(place: Town) -> None:
    _, room_id = await room_of(place, room_alias_name="square")
    _, answer = await join(place, "bob", room_id)
    assert members(answer) == []


async def test_what_changes_in_the_room_changes_the_answer(place: Town) -> None:
    alice, room_id = await room_of(place, name="Square", topic="first")
    await join(place, "bob", room_id)
    (await alice.set_state(room_id, "m.room.topic", {"topic": "second"})).ok()
    sent, answer = await join(place, "ben", room_id)
    assert "second" in [pdu["content"].get("topic") for pdu in answer["state"]]
    assert "first" not in str(answer)
    check_whole(answer, sent)


async def test_what_has_been_redacted_is_not_told(place: Town) -> None:
    alice, room_id = await room_of(place, name="Square")
    event_id = (await alice.set_state(room_id, "m.room.topic", {"topic": "secret"})).ok()["event_id"]
    _, answer = await join(place, "bob", room_id)
    assert "secret" in str(answer)
    (await alice.redact(room_id, event_id)).ok()
    sent, answer = await join(place, "ben", room_id)
    assert "secret" not in str(answer)
    assert event_id in {event.event_id for event in events(answer, "state")}
    check_whole(answer, sent)


async def test_a_join_on_an_older_branch_is_told_the_state_there(place: Town) -> None:
    """Also where the room has gone on since the template was made."""
    alice, room_id = await room_of(place, name="Square", topic="first")
    handshakes = Handshakes(
        client=cast(FederationClient, FakeClient(place, TWO)),
        clock=SystemClock(),
        random=SystemRandom(),
        server_name=TWO,
        signing_key=place.servers[TWO].key,
    )
    template = await handshakes.make(ONE, "join", room_id, f"@bob:{TWO}")
    sent = handshakes.complete(template, {"membership": "join"})
    (await alice.set_state(room_id, "m.room.topic", {"topic": "second"})).ok()
    await join(place, "carol", room_id, server=THREE)
    answer = await hand_in(place, sent)
    assert "first" in [pdu["content"].get("topic") for pdu in answer["state"]]
    assert answer["servers_in_room"] == [ONE]
    check_whole(answer, sent)


async def populate(server: Server, room: RemoteRoom, names: Sequence[str]) -> None:
    """A room of others, with so many members, of which a user of ours is one."""
    for name in names:
        room.join(name)
    await room.let_in(server.homeserver, "@alice:" + ONE)


async def test_a_large_room_costs_few_bytes_and_statements(place: Town) -> None:
    one = place.servers[ONE]
    room = RemoteRoom(server="elsewhere.test")
    room.tell("m.room.name", {"name": "Square"}, state_key="")
    await populate(one, room, [f"@user{number}:server{number % 100}.test" for number in range(LARGE)])
    await join(place, "warm", room.room_id)
    async with spending(one.homeserver.db) as full:
        _, told = await join(place, "bob", room.room_id, omit=False)
    async with spending(one.homeserver.db) as spent:
        _, answer = await join(place, "ben", room.room_id)
    async with spending(one.homeserver.db) as again:
        sent, _ = await join(place, "bill", room.room_id)
    assert len(members(told)) == LARGE + 3
    assert len(answer["servers_in_room"]) == 103
    assert len(orjson.dumps(answer)) < 10_000
    assert len(orjson.dumps(told)) > 500_000
    assert again.statements == spent.statements < full.statements
    # All of that is for taking the join in: when that is done already, there is nothing to be read.
    async with spending(one.homeserver.db) as answering:
        await hand_in(place, sent)
    assert answering.statements <= LOOK_UPS


async def test_heroes_of_a_large_room_cost_nothing_more(place: Town) -> None:
    one = place.servers[ONE]
    room = RemoteRoom(server="elsewhere.test")
    await populate(one, room, [f"@user{number}:server{number % 10}.test" for number in range(100)])
    await join(place, "warm", room.room_id)
    sent, answer = await join(place, "bob", room.room_id)
    assert len(members(answer)) == 5
    async with spending(one.homeserver.db) as answering:
        await hand_in(place, sent)
    assert answering.statements <= LOOK_UPS


async def test_what_does_not_fit_is_put_together_each_time(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, room_id = await room_of(place, name="Square")
    _, kept = await join(place, "bob", room_id)
    monkeypatch.setattr("ranvier.federation.resident_omitting.SIZE_BYTES", 0)
    (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    for name in ("ben", "bill"):
        sent, answer = await join(place, name, room_id)
        assert {pdu["type"] for pdu in answer["state"]} == {pdu["type"] for pdu in kept["state"]} | {"m.room.topic"}
        check_whole(answer, sent)


async def test_many_come_at_once_into_a_room_that_nobody_was_told_of(place: Town) -> None:
    one = place.servers[ONE]
    _, room_id = await room_of(place, name="Square")
    others = [f"user{number}" for number in range(10)]
    await join(place, "warm", room_id, omit=False)
    async with spending(one.homeserver.db) as alone:
        await join(place, "alone", room_id)
    async with spending(one.homeserver.db) as together:
        answers = await asyncio.gather(*(join(place, name, room_id) for name in others))
    for sent, answer in answers:
        check_whole(answer, sent)
    assert together.statements < 10 * alone.statements
