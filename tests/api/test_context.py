"""Single events and what surrounds them."""

from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part

Json = dict[str, Any]


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A public room with Alice (its creator) and Bob."""
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def around(client: Client, room_id: str, event_id: str, **query: str) -> Json:
    found: Json = (await client.get(f"{in_room(room_id)}/context/{part(event_id)}", **query)).ok()
    return found


def bodies(events: list[Json]) -> list[str]:
    return [event["content"]["body"] for event in events]


async def test_an_event_has_neighbours_on_both_sides(alice: Client, room_id: str) -> None:
    ids = [await alice.say(room_id, str(n)) for n in range(7)]
    found = await around(alice, room_id, ids[3], limit="4")
    assert found["event"]["event_id"] == ids[3]
    assert found["event"]["room_id"] == room_id
    assert bodies(found["events_before"]) == ["2", "1"]
    assert bodies(found["events_after"]) == ["4", "5"]
    found = await around(alice, room_id, ids[3], limit="1")
    assert len(found["events_before"]) + len(found["events_after"]) == 1


async def test_no_neighbours_if_none_are_wanted(alice: Client, room_id: str) -> None:
    ids = [await alice.say(room_id, str(n)) for n in range(3)]
    found = await around(alice, room_id, ids[1], limit="0")
    assert (found["events_before"], found["events_after"]) == ([], [])
    assert found["event"]["event_id"] == ids[1]


async def test_its_tokens_lead_on_in_both_directions(alice: Client, room_id: str) -> None:
    ids = [await alice.say(room_id, str(n)) for n in range(7)]
    for limit, before, after in (("2", ["1", "0"], ["5", "6"]), ("0", ["2", "1"], ["4", "5"])):
        found = await around(alice, room_id, ids[3], limit=limit)
        older = (await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="2", **{"from": found["start"]})).ok()
        assert bodies(older["chunk"]) == before
        newer = (await alice.get(f"{in_room(room_id)}/messages", dir="f", limit="2", **{"from": found["end"]})).ok()
        assert bodies(newer["chunk"]) == after


async def test_the_state_is_that_at_the_last_event(alice: Client, bob: Client, room_id: str) -> None:
    (await alice.set_state(room_id, "m.room.topic", {"topic": "old"})).ok()
    event_id = await alice.say(room_id, "x")
    (await alice.set_state(room_id, "m.room.topic", {"topic": "middle"})).ok()
    (await alice.set_state(room_id, "m.room.topic", {"topic": "new"})).ok()
    for limit, topic in (("0", "old"), ("2", "middle"), ("4", "new")):
        state = (await around(alice, room_id, event_id, limit=limit))["state"]
        entries = {(event["type"], event["state_key"]): event["content"] for event in state}
        assert len(entries) == len(state)
        assert entries["m.room.topic", ""] == {"topic": topic}
        assert ("m.room.member", bob.user_id) in entries


async def test_members_are_loaded_lazily(alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    found = await around(alice, room_id, event_id, limit="0", filter='{"lazy_load_members": true}')
    members = [event["state_key"] for event in found["state"] if event["type"] == "m.room.member"]
    assert members == [alice.user_id]
    assert any(event["type"] == "m.room.create" for event in found["state"])


async def test_the_filter_spares_the_event_itself(alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    await alice.say(room_id, "y")
    found = await around(alice, room_id, event_id, filter='{"types": ["m.room.name"]}')
    assert found["event"]["event_id"] == event_id
    assert found["events_after"] == []
    assert [event["type"] for event in found["state"]] == ["m.room.name"]


async def test_a_single_event(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    event = (await bob.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()
    assert (event["event_id"], event["room_id"], event["content"]["body"]) == (event_id, room_id, "x")
    assert event["unsigned"]["age"] >= 0
    (await bob.redact(room_id, event_id)).refused(403, "M_FORBIDDEN")
    (await alice.redact(room_id, event_id)).ok()
    event = (await bob.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()
    assert event["content"] == {}
    assert event["unsigned"]["redacted_because"]["type"] == "m.room.redaction"


@pytest.mark.parametrize("what", ["event", "context"])
async def test_events_that_are_not_there_for_the_asker(alice: Client, bob: Client, room_id: str, what: str) -> None:
    other = await alice.create_room(preset="private_chat")
    secret = await alice.say(other, "secret")
    for event_id in (secret, "$unknown", "nonsense"):
        (await alice.get(f"{in_room(room_id)}/{what}/{part(event_id)}")).refused(404, "M_NOT_FOUND")
    # Whether a stranger is told 403 or 404 depends on the endpoint; they are never told more.
    answer = await bob.get(f"{in_room(other)}/{what}/{part(secret)}")
    assert (answer.status, answer.errcode) == {"event": (404, "M_NOT_FOUND"), "context": (403, "M_FORBIDDEN")}[what]


async def test_events_of_a_time_before_the_asker_came(alice: Client, bob: Client) -> None:
    closed = [{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}]
    room_id = await alice.create_room(preset="public_chat", initial_state=closed)
    before = await alice.say(room_id, "before")
    (await bob.act(room_id, "join")).ok()
    after = await alice.say(room_id, "after")
    for what in ("event", "context"):
        (await bob.get(f"{in_room(room_id)}/{what}/{part(before)}")).refused(404, "M_NOT_FOUND")
    found = await around(bob, room_id, after)
    assert before not in [event["event_id"] for event in found["events_before"]]
