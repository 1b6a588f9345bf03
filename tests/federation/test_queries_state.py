"""What other servers get when they ask for states and auth chains."""

from collections.abc import AsyncIterator, Collection
from typing import Any

import orjson
import pytest

from ranvier.proto.events import Event
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver
from tests.federation.asked import OTHER, REMOTE, Asked, event_ids, ids, message, refused
from tests.rooms.remote_room import RemoteRoom


async def whole(pieces: AsyncIterator[bytes]) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(b"".join([piece async for piece in pieces]))
    return answer


def named(pdus: list[dict[str, Any]], room: RemoteRoom) -> list[str]:
    return sorted(ids([orjson.dumps(pdu) for pdu in pdus], room))


def sorted_ids(events: Collection[Event]) -> list[str]:
    return sorted(event_ids(list(events)))


@pytest.fixture
def asked(homeserver: Homeserver) -> Asked:
    return Asked(homeserver)


@pytest.fixture
async def room(homeserver: Homeserver, alice: Client) -> RemoteRoom:
    """A room of another server that alice is in."""
    room = RemoteRoom()
    room.join(f"@early:{REMOTE}")
    await room.let_in(homeserver, alice.user_id)
    return room


@pytest.mark.parametrize("version", ["1", "5", "11", "12"])
async def test_the_state_before_an_event(homeserver_on_each: Homeserver, version: str) -> None:
    asked = Asked(homeserver_on_each)
    alice = await homeserver_on_each.register("alice")
    room = RemoteRoom(version=version)
    await room.let_in(homeserver_on_each, alice.user_id)
    topic = room.tell("m.room.topic", {"topic": "one"}, state_key="")
    says = room.tell("m.room.message", message("after it"))
    await asked.accept(room, topic, says)
    for event in (topic, says):
        before = room.after[event.prev_events[0]].values()
        answer = await whole(await asked.queries.state.state(REMOTE, room.room_id, event.event_id))
        assert named(answer["pdus"], room) == sorted_ids(before)
        assert named(answer["auth_chain"], room) == sorted_ids(room.auth_chain(list(before)))
        told = orjson.loads(await asked.queries.state.state_ids(REMOTE, room.room_id, event.event_id))
        assert sorted(told["pdu_ids"]) == sorted_ids(before)
        assert sorted(told["auth_chain_ids"]) == sorted_ids(room.auth_chain(list(before)))


async def test_what_authorises_an_event(asked: Asked, room: RemoteRoom) -> None:
    bob = f"@bob:{REMOTE}"
    joined = room.join(bob)
    kicked = room.tell("m.room.member", {"membership": "leave"}, state_key=bob)
    again = room.join(bob)
    await asked.accept(room, joined, kicked, again)
    answer = await whole(await asked.queries.state.auth_chain(REMOTE, room.room_id, again.event_id))
    assert named(answer["auth_chain"], room) == sorted_ids(room.auth_chain([again]))
    answer = await whole(await asked.queries.state.auth_chain(REMOTE, room.room_id, room.create.event_id))
    assert answer == {"auth_chain": []}


async def test_a_state_without_entries(asked: Asked, alice: Client) -> None:
    room_id = await alice.create_room()
    create = (await asked.server.server.rooms.rooms.get(room_id)).state["m.room.create", ""]
    own = "ranvier.test"
    assert await whole(await asked.queries.state.state(own, room_id, create.event.event_id)) == {
        "pdus": [], "auth_chain": []
    }  # fmt: skip
    ids = await asked.queries.state.state_ids(own, room_id, create.event.event_id)
    assert orjson.loads(ids) == {"pdu_ids": [], "auth_chain_ids": []}


async def test_who_may_ask_for_what(asked: Asked, room: RemoteRoom, alice: Client) -> None:
    state, tip = asked.queries.state, room.tip.event_id
    for call in (state.state, state.state_ids, state.auth_chain):
        await refused(call(OTHER, room.room_id, tip), 403, "M_FORBIDDEN")
        await refused(call(REMOTE, "!unknown:remote.test", tip), 404, "M_NOT_FOUND")
        await refused(call(REMOTE, room.room_id, "$unknown"), 404, "M_NOT_FOUND")
    for call in (state.state, state.state_ids):
        # It is known, but not where it stands.
        await refused(call(REMOTE, room.room_id, room.create.event_id), 404, "M_NOT_FOUND")
    elsewhere = await alice.say(await alice.create_room(), "secret")
    for call in (state.state, state.state_ids, state.auth_chain):
        await refused(call(REMOTE, room.room_id, elsewhere), 404, "M_NOT_FOUND")
    await asked.accept(room, room.tell("m.room.server_acl", {"allow": ["*"], "deny": [REMOTE]}, state_key=""))
    for call in (state.state, state.state_ids, state.auth_chain):
        await refused(call(REMOTE, room.room_id, tip), 403, "M_FORBIDDEN")


async def test_redacted_entries_come_redacted(asked: Asked, room: RemoteRoom) -> None:
    topic = room.tell("m.room.topic", {"topic": "bad"}, state_key="")
    redaction = room.say("m.room.redaction", {}, prev=[topic], redacts=topic.event_id)
    await asked.accept(room, topic, redaction)
    answer = await whole(await asked.queries.state.state(REMOTE, room.room_id, redaction.event_id))
    assert [pdu["content"] for pdu in answer["pdus"] if pdu["type"] == "m.room.topic"] == [{}]
    asked.server.server.rooms.cache.clear()
    answer = await whole(await asked.queries.state.state(REMOTE, room.room_id, redaction.event_id))
    assert [pdu["content"] for pdu in answer["pdus"] if pdu["type"] == "m.room.topic"] == [{}]


async def test_a_state_that_nobody_there_could_see(asked: Asked, room: RemoteRoom) -> None:
    await asked.accept(
        room,
        room.tell("m.room.history_visibility", {"history_visibility": "joined"}, state_key=""),
        room.tell("m.room.topic", {"topic": "old"}, state_key=""),
        room.tell("m.room.name", {"name": "kept"}, state_key=""),
        secret := room.tell("m.room.message", message("secret")),
        room.tell("m.room.topic", {"topic": "new"}, state_key=""),
        room.join(f"@visitor:{OTHER}"),
        says := room.tell("m.room.message", message("for all")),
    )

    async def told(server: str, event: Event) -> dict[str, Any]:
        answer = await whole(await asked.queries.state.state(server, room.room_id, event.event_id))
        return {pdu["type"]: pdu["content"] for pdu in answer["pdus"]}

    assert (await told(REMOTE, secret))["m.room.topic"] == {"topic": "old"}
    hidden = await told(OTHER, secret)
    assert hidden["m.room.topic"] == {}
    assert hidden["m.room.name"] == {"name": "kept"}
    assert hidden["m.room.join_rules"] == {"join_rule": "public"}
    assert (await told(OTHER, says))["m.room.topic"] == {"topic": "new"}


async def test_large_states_come_in_pieces(asked: Asked, room: RemoteRoom) -> None:
    joins = [room.join(f"@user{number}:{REMOTE}") for number in range(700)]
    says = room.tell("m.room.message", message("so many"))
    await asked.accept(room, *joins, says)
    before = asked.server.db.counters.statements
    pieces = [piece async for piece in await asked.queries.state.state(REMOTE, room.room_id, says.event_id)]
    assert len(pieces) > 4
    answer = orjson.loads(b"".join(pieces))
    assert named(answer["pdus"], room) == sorted_ids(room.after[says.event_id].values())
    assert asked.server.db.counters.statements - before <= 20
    await asked.queries.state.state_ids(REMOTE, room.room_id, says.event_id)
    before = asked.server.db.counters.statements
    await asked.queries.state.state_ids(REMOTE, room.room_id, says.event_id)
    # The fixture counts the room's servers with one.
    assert asked.server.db.counters.statements - before <= 1
