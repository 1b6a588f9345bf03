"""Sending messages and redactions."""

import asyncio
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A public room with Alice (its creator) and Bob."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def event(client: Client, room_id: str, event_id: str) -> Any:
    return (await client.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()


async def test_a_message_is_there_for_everyone(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "hello")
    seen = await event(bob, room_id, event_id)
    assert seen["content"] == {"msgtype": "m.text", "body": "hello"}
    assert (seen["sender"], seen["type"], seen["room_id"]) == (alice.user_id, "m.room.message", room_id)


async def test_any_type_and_content_can_be_sent(alice: Client, room_id: str) -> None:
    content = {"a": {"b": [1, -(2**53) + 1, "ü\n", None, True]}, "": {}}
    answer = (await alice.send(room_id, "org.example/odd type", content)).ok()
    seen = await event(alice, room_id, answer["event_id"])
    assert (seen["type"], seen["content"]) == ("org.example/odd type", content)


async def test_a_repeated_request_is_one_event(alice: Client, bob: Client, room_id: str) -> None:
    content = {"body": "once"}
    first = (await alice.send(room_id, "m.room.message", content, txn_id="same")).ok()
    again = (await alice.send(room_id, "m.room.message", content, txn_id="same")).ok()
    of_bob = (await bob.send(room_id, "m.room.message", content, txn_id="same")).ok()
    assert first == again != of_bob


async def test_repetitions_at_the_same_time_are_one_event(alice: Client, room_id: str) -> None:
    answers = await asyncio.gather(
        *(alice.send(room_id, "m.room.message", {"body": "x"}, txn_id="at once") for _ in range(5))
    )
    assert len({answer.ok()["event_id"] for answer in answers}) == 1


async def test_events_sent_at_the_same_time_are_all_kept(alice: Client, bob: Client, room_id: str) -> None:
    sent = await asyncio.gather(*(client.say(room_id, f"{n}") for n in range(10) for client in (alice, bob)))
    page = (await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="20")).ok()
    assert {found["event_id"] for found in page["chunk"]} == set(sent)


async def test_only_members_send(alice: Client, carol: Client, room_id: str) -> None:
    (await carol.send(room_id, "m.room.message", {"body": "x"})).refused(403, "M_FORBIDDEN")
    unknown = "!nowhere:" + alice.user_id.partition(":")[2]
    assert (await alice.send(unknown, "m.room.message", {})).status in (403, 404)


async def test_a_type_needs_its_power(alice: Client, bob: Client, room_id: str) -> None:
    levels = (await alice.state(room_id, "m.room.power_levels")).ok()
    (await alice.set_state(room_id, "m.room.power_levels", {**levels, "events": {"m.room.message": 1}})).ok()
    (await bob.send(room_id, "m.room.message", {"body": "x"})).refused(403, "M_FORBIDDEN")
    assert (await alice.send(room_id, "m.room.message", {"body": "x"})).status == 200


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b'{"a": 1.5}', b'{"a": 9007199254740993}'])
async def test_what_cannot_be_an_event_is_refused(alice: Client, room_id: str, raw: bytes) -> None:
    path = f"/_matrix/client/v3{in_room(room_id)}/send/m.room.message/t1"
    (await alice.request("PUT", path, raw=raw)).refused(400, "M_BAD_JSON")


@pytest.mark.parametrize("raw", [b"{", b'{"a": NaN}', b"\xff{}"])
async def test_what_is_not_json_is_refused(alice: Client, room_id: str, raw: bytes) -> None:
    path = f"/_matrix/client/v3{in_room(room_id)}/send/m.room.message/t1"
    (await alice.request("PUT", path, raw=raw)).refused(400, "M_NOT_JSON")


async def test_an_event_that_is_too_large_is_refused(alice: Client, room_id: str) -> None:
    (await alice.send(room_id, "m.room.message", {"body": "x" * 66_000})).refused(413, "M_TOO_LARGE")
    assert (await alice.send(room_id, "m.room.message", {"body": "x" * 60_000})).status == 200


async def test_the_sender_redacts_and_content_is_gone(alice: Client, bob: Client, room_id: str) -> None:
    target = await bob.say(room_id, "oops")
    redaction = (await bob.redact(room_id, target, reason="typo")).ok()["event_id"]
    seen = await event(alice, room_id, target)
    assert seen["content"] == {}
    assert seen["unsigned"]["redacted_because"]["event_id"] == redaction
    assert (await event(alice, room_id, redaction))["content"]["reason"] == "typo"


async def test_the_powerful_redact_others_and_nobody_else_does(
    alice: Client, bob: Client, carol: Client, room_id: str
) -> None:
    (await carol.act(room_id, "join")).ok()
    target = await bob.say(room_id, "x")
    (await carol.redact(room_id, target)).refused(403, "M_FORBIDDEN")
    assert (await event(alice, room_id, target))["content"]["body"] == "x"
    (await alice.redact(room_id, target)).ok()
    assert (await event(carol, room_id, target))["content"] == {}


async def test_redacting_nothing_is_not_found(alice: Client, room_id: str) -> None:
    (await alice.redact(room_id, "$nothing")).refused(404, "M_NOT_FOUND")
    other = await alice.create_room()
    elsewhere = await alice.say(other, "x")
    (await alice.redact(room_id, elsewhere)).refused(404, "M_NOT_FOUND")


async def test_a_repeated_redaction_is_one_event(alice: Client, room_id: str) -> None:
    target = await alice.say(room_id, "x")
    path = f"{in_room(room_id)}/redact/{part(target)}/same"
    assert (await alice.put(path, {})).ok() == (await alice.put(path, {})).ok()


@pytest.mark.parametrize("version", ["10", "11"])
async def test_a_redaction_can_be_sent_as_an_event(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    target = await alice.say(room_id, "x")
    (await alice.send(room_id, "m.room.redaction", {"redacts": target})).ok()
    assert (await event(alice, room_id, target))["content"] == {}
    (await alice.send(room_id, "m.room.redaction", {})).refused(400, "M_BAD_JSON")
