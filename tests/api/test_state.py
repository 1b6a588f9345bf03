"""Reading and setting a room's state, and who may read it."""

from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A public room with Alice (its creator) and Bob."""
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def test_state_is_set_and_read_by_key(alice: Client, bob: Client, room_id: str) -> None:
    (await alice.set_state(room_id, "org.example.x", {"n": 1}, "key/with slash")).ok()
    (await alice.set_state(room_id, "org.example.x", {"n": 2})).ok()
    assert (await bob.state(room_id, "org.example.x", "key/with slash")).ok() == {"n": 1}
    assert (await bob.state(room_id, "org.example.x")).ok() == {"n": 2}
    (await bob.state(room_id, "org.example.x", "other")).refused(404, "M_NOT_FOUND")


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_the_empty_key_may_be_left_out(alice: Client, room_id: str, suffix: str) -> None:
    path = f"{in_room(room_id)}/state/m.room.topic{suffix}"
    assert (await alice.put(path, {"topic": "x"})).ok()["event_id"].startswith("$")
    assert (await alice.get(path)).ok() == {"topic": "x"}


async def test_a_whole_event_can_be_asked_for(alice: Client, room_id: str) -> None:
    event_id = (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()["event_id"]
    event = (await alice.state(room_id, "m.room.topic", format="event")).ok()
    assert (event["event_id"], event["room_id"], event["content"]) == (event_id, room_id, {"topic": "x"})
    assert (event["type"], event["state_key"], event["sender"]) == ("m.room.topic", "", alice.user_id)
    (await alice.state(room_id, "m.room.topic", format="poem")).refused(400, "M_INVALID_PARAM")


async def test_setting_the_same_again_is_the_same_event(alice: Client, room_id: str) -> None:
    first = (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    assert (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok() == first
    assert (await alice.set_state(room_id, "m.room.topic", {"topic": "y"})).ok() != first


async def test_the_whole_state_has_one_event_a_key(alice: Client, bob: Client, room_id: str) -> None:
    (await alice.set_state(room_id, "m.room.topic", {"topic": "old"})).ok()
    (await alice.set_state(room_id, "m.room.topic", {"topic": "new"})).ok()
    events = (await bob.get(f"{in_room(room_id)}/state")).ok()
    keys = [(event["type"], event["state_key"]) for event in events]
    assert len(keys) == len(set(keys))
    contents = {key: event["content"] for key, event in zip(keys, events, strict=True)}
    assert contents["m.room.topic", ""] == {"topic": "new"}
    assert contents["m.room.member", bob.user_id]["membership"] == "join"
    assert contents["m.room.create", ""]["room_version"]
    assert all(event["room_id"] == room_id and "event_id" in event for event in events)


@pytest.mark.parametrize("path", ["/state", "/state/m.room.name", "/members", "/joined_members"])
async def test_strangers_read_no_state(carol: Client, room_id: str, path: str) -> None:
    (await carol.get(in_room(room_id) + path)).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("path", ["/state", "/state/m.room.name", "/members", "/joined_members"])
async def test_an_unknown_room_looks_like_one_that_is_not_yours(carol: Client, room_id: str, path: str) -> None:
    (await carol.get(in_room("!nowhere:" + carol.user_id.partition(":")[2]) + path)).refused(403, "M_FORBIDDEN")


async def test_the_invited_read_no_state(alice: Client, carol: Client) -> None:
    room_id = await alice.create_room(invite=[carol.user_id])
    (await carol.get(f"{in_room(room_id)}/state")).refused(403, "M_FORBIDDEN")
    (await carol.act(room_id, "leave")).ok()
    (await carol.get(f"{in_room(room_id)}/state")).refused(403, "M_FORBIDDEN")


async def test_whoever_left_reads_the_state_of_that_moment(alice: Client, bob: Client, room_id: str) -> None:
    (await bob.act(room_id, "leave")).ok()
    (await alice.set_state(room_id, "m.room.name", {"name": "Coffee"})).ok()
    (await alice.set_state(room_id, "org.example.later", {})).ok()
    assert (await bob.state(room_id, "m.room.name")).ok() == {"name": "Tea"}
    (await bob.state(room_id, "org.example.later")).refused(404, "M_NOT_FOUND")
    events = (await bob.get(f"{in_room(room_id)}/state")).ok()
    contents = {(event["type"], event["state_key"]): event["content"] for event in events}
    assert contents["m.room.name", ""] == {"name": "Tea"}
    assert contents["m.room.member", bob.user_id]["membership"] == "leave"
    assert ("org.example.later", "") not in contents


async def test_anyone_reads_a_world_readable_room(alice: Client, carol: Client, room_id: str) -> None:
    (await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})).ok()
    assert (await carol.state(room_id, "m.room.name")).ok() == {"name": "Tea"}


async def test_state_needs_power(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    (await bob.set_state(room_id, "m.room.name", {"name": "x"})).refused(403, "M_FORBIDDEN")
    (await carol.set_state(room_id, "m.room.name", {"name": "x"})).refused(403, "M_FORBIDDEN")
    (await alice.set_state(room_id, "org.example.x", {}, bob.user_id)).refused(403, "M_FORBIDDEN")
    (await alice.set_state(room_id, "m.room.create", {"room_version": "1"})).refused(403, "M_FORBIDDEN")
    assert (await alice.state(room_id, "m.room.name")).ok() == {"name": "Tea"}


async def test_canonical_aliases_must_point_here(alice: Client) -> None:
    room_id = await alice.create_room(room_alias_name="here")
    await alice.create_room(room_alias_name="there")
    server = alice.user_id.partition(":")[2]

    async def set_alias(content: dict[str, Any]) -> Any:
        return await alice.set_state(room_id, "m.room.canonical_alias", content)

    (await set_alias({"alias": f"#there:{server}"})).refused(400, "M_BAD_ALIAS")
    (await set_alias({"alt_aliases": [f"#nowhere:{server}"]})).refused(400, "M_BAD_ALIAS")
    (await set_alias({"alias": "here"})).refused(400, "M_INVALID_PARAM")
    assert (await set_alias({"alias": f"#here:{server}", "alt_aliases": []})).status == 200
    assert (await set_alias({})).status == 200


async def test_membership_can_be_changed_as_state(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    (await carol.set_state(room_id, "m.room.member", {"membership": "join"}, carol.user_id)).ok()
    (await alice.set_state(room_id, "m.room.member", {"membership": "ban"}, bob.user_id)).ok()
    joined = (await alice.get(f"{in_room(room_id)}/joined_members")).ok()["joined"]
    assert set(joined) == {alice.user_id, carol.user_id}


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"{"])
async def test_content_is_an_object(alice: Client, room_id: str, raw: bytes) -> None:
    path = f"/_matrix/client/v3{in_room(room_id)}/state/{part('m.room.topic')}"
    assert (await alice.request("PUT", path, raw=raw)).errcode in ("M_BAD_JSON", "M_NOT_JSON")
