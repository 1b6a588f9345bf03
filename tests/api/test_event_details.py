"""What an event carries besides itself, how large it may be, and redactions in every room version.

Spec: client-server API, "Room event format", "Size limits", "Redactions".
"""

from typing import Any

import pytest

from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.api.asgi import Client, in_room, part

Json = dict[str, Any]


async def event(client: Client, room_id: str, event_id: str) -> Json:
    found: Json = (await client.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()
    return found


async def page(client: Client, room_id: str) -> dict[str, Json]:
    """The timeline by event id."""
    found = (await client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()
    return {shown["event_id"]: shown for shown in found["chunk"]}


async def test_state_says_what_it_replaces(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    first = (await alice.set_state(room_id, "m.room.topic", {"topic": "1"})).ok()["event_id"]
    second = (await alice.set_state(room_id, "m.room.topic", {"topic": "2"})).ok()["event_id"]
    (await bob.act(room_id, "join")).ok()
    assert not {"replaces_state", "prev_content"} & (await event(bob, room_id, first))["unsigned"].keys()
    sync = (await bob.get("/sync")).ok()["rooms"]["join"][room_id]
    synced = [*sync["timeline"]["events"], *sync["state"]["events"]]
    (told,) = [shown for shown in synced if shown["event_id"] == second]
    for shown in (await event(bob, room_id, second), (await page(bob, room_id))[second], told):
        unsigned = shown["unsigned"]
        assert unsigned["replaces_state"] == first
        assert unsigned["prev_content"] == {"topic": "1"}
        assert "prev_sender" not in unsigned


async def test_who_could_not_see_the_replaced_state_is_not_told_what_it_said(alice: Client, bob: Client) -> None:
    hidden = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[hidden])
    first = (await alice.set_state(room_id, "m.room.topic", {"topic": "secret"})).ok()["event_id"]
    (await bob.act(room_id, "join")).ok()
    second = (await alice.set_state(room_id, "m.room.topic", {"topic": "2"})).ok()["event_id"]
    third = (await alice.set_state(room_id, "m.room.topic", {"topic": "3"})).ok()["event_id"]
    assert (await event(bob, room_id, third))["unsigned"]["prev_content"] == {"topic": "2"}
    unsigned = (await event(bob, room_id, second))["unsigned"]
    assert unsigned["replaces_state"] == first
    assert "prev_content" not in unsigned
    assert (await event(alice, room_id, second))["unsigned"]["prev_content"] == {"topic": "secret"}
    for choice in ("{}", '{"room": {"timeline": {"limit": 1}}}'):
        answer = await bob.get("/sync", filter=choice)
        assert b'"prev_content":{"topic":"2"}' in answer.body
        assert b'"prev_content":{"topic":"secret"}' not in answer.body


@pytest.mark.parametrize("version", ["1", "5"])
async def test_old_rooms_hold_integers_of_any_size(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    path = f"/_matrix/client/v3{in_room(room_id)}/state/org.example.big/"
    for n in (1, 2):
        (await alice.request("PUT", path, raw=b'{"n": %d%s}' % (n, b"0" * 30))).ok()
    shown = await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="1")
    assert shown.status == 200
    assert b'"prev_content":{"n":1%s}' % (b"0" * 30) in shown.body


@pytest.mark.parametrize("version", ["1", "5", "11", "12"])
async def test_names_are_at_most_255_bytes_long(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    for name in ("x" * 255, "é" * 127):
        (await alice.send(room_id, name, {})).ok()
        (await alice.set_state(room_id, "org.example", {}, name)).ok()
        (await alice.set_state(room_id, name, {})).ok()
    for name in ("x" * 256, "é" * 128):
        (await alice.send(room_id, name, {})).refused(413, "M_TOO_LARGE")
        (await alice.set_state(room_id, "org.example", {}, name)).refused(413, "M_TOO_LARGE")
        (await alice.set_state(room_id, name, {})).refused(413, "M_TOO_LARGE")


@pytest.mark.parametrize("version", ["1", "12"])
async def test_an_event_has_at_most_65536_bytes(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    for content in ({"body": "x" * 66_000}, {"é" * 33_000: 1}, {"list": [0] * 33_000}):
        (await alice.send(room_id, "m.room.message", content)).refused(413, "M_TOO_LARGE")
        (await alice.set_state(room_id, "org.example", content)).refused(413, "M_TOO_LARGE")
    (await alice.send(room_id, "m.room.message", {"body": "x" * 64_000})).ok()
    target = await alice.say(room_id, "x")
    (await alice.redact(room_id, target, reason="x" * 66_000)).refused(413, "M_TOO_LARGE")
    assert (await event(alice, room_id, target))["content"]["body"] == "x"


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_redactions_of_both_endpoints_look_the_same_everywhere(alice: Client, bob: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version, preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    targets = [await bob.say(room_id, "1"), await bob.say(room_id, "2")]
    redactions = [
        (await alice.redact(room_id, targets[0], reason="spam")).ok()["event_id"],
        (await alice.send(room_id, "m.room.redaction", {"redacts": targets[1], "reason": "spam"})).ok()["event_id"],
    ]
    timeline = await page(bob, room_id)
    sync = (await bob.get("/sync")).ok()["rooms"]["join"][room_id]["timeline"]["events"]
    synced = {shown["event_id"]: shown for shown in sync}
    for target, redaction in zip(targets, redactions, strict=True):
        for shown in (timeline[redaction], synced[redaction], await event(bob, room_id, redaction)):
            assert shown["redacts"] == target
            assert shown["content"] == {"redacts": target, "reason": "spam"}
        for shown in (timeline[target], synced[target], await event(bob, room_id, target)):
            assert shown["content"] == {}
            because = shown["unsigned"]["redacted_because"]
            assert because["event_id"] == redaction
            assert because["redacts"] == because["content"]["redacts"] == target
            assert because["sender"] == alice.user_id


async def test_a_redaction_through_send_needs_its_power(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    for client in (bob, carol):
        (await client.act(room_id, "join")).ok()
    target = await bob.say(room_id, "x")
    (await carol.send(room_id, "m.room.redaction", {"redacts": target})).refused(403, "M_FORBIDDEN")
    (await carol.send(room_id, "m.room.redaction", {"redacts": "$nothing"})).refused(404, "M_NOT_FOUND")
    for content in ({}, {"redacts": 5}, {"redacts": None}):
        (await carol.send(room_id, "m.room.redaction", content)).refused(400, "M_BAD_JSON")
    assert (await event(carol, room_id, target))["content"]["body"] == "x"
