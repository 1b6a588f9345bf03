"""The fully read marker. Spec: client-server API, "Read and unread markers"."""

from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.device import Device


@pytest.fixture
async def room_id(alice: Client) -> str:
    return await alice.create_room(preset="public_chat")


async def mark(client: Client, room_id: str, **markers: str | None) -> Answer:
    body = {f"m.{name.replace('__', '.')}": value for name, value in markers.items()}
    return await client.post(f"{in_room(room_id)}/read_markers", body)


async def marker(client: Client, room_id: str) -> Any:
    path = f"/user/{part(client.user_id)}/rooms/{part(room_id)}/account_data/m.fully_read"
    return (await client.get(path)).json


async def test_all_markers_in_one_request(alice: Client, room_id: str) -> None:
    first, second, third = [await alice.say(room_id, str(n)) for n in range(3)]
    device = Device(alice)
    await device.settle()
    (await mark(alice, room_id, fully_read=first, read=second, read__private=third)).ok()
    section = await device.joined(room_id)
    assert section["account_data"]["events"] == [{"type": "m.fully_read", "content": {"event_id": first}}]
    (receipts,) = section["ephemeral"]["events"]
    assert receipts["content"][second].keys() == {"m.read"}
    assert receipts["content"][third].keys() == {"m.read.private"}
    assert await marker(alice, room_id) == {"event_id": first}


async def test_the_marker_as_a_receipt(alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    device = Device(alice)
    await device.settle()
    (await alice.post(f"{in_room(room_id)}/receipt/m.fully_read/{part(event_id)}")).ok()
    section = await device.joined(room_id)
    assert section["account_data"]["events"] == [{"type": "m.fully_read", "content": {"event_id": event_id}}]
    assert section["ephemeral"]["events"] == []


async def test_the_marker_never_moves_back(alice: Client, room_id: str) -> None:
    first, second = await alice.say(room_id, "1"), await alice.say(room_id, "2")
    (await mark(alice, room_id, fully_read=second)).ok()
    (await mark(alice, room_id, fully_read=first)).ok()
    assert await marker(alice, room_id) == {"event_id": second}


async def test_nothing_to_mark(alice: Client, room_id: str) -> None:
    assert (await mark(alice, room_id)).ok() == {}
    assert (await mark(alice, room_id, fully_read=None, read=None)).ok() == {}


async def test_the_event_must_be_in_the_room(alice: Client, room_id: str) -> None:
    elsewhere = await alice.say(await alice.create_room(), "x")
    (await mark(alice, room_id, fully_read=elsewhere)).refused(404, "M_NOT_FOUND")
    (await mark(alice, room_id, fully_read="$nothing")).refused(404, "M_NOT_FOUND")
    (await alice.post(f"{in_room(room_id)}/read_markers", {"m.fully_read": 5})).refused(400, "M_BAD_JSON")


async def test_strangers_are_refused(bob: Client, alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    (await mark(bob, room_id, fully_read=event_id)).refused(403, "M_FORBIDDEN")


async def test_clients_cannot_set_it_as_account_data(alice: Client, room_id: str) -> None:
    path = f"/user/{part(alice.user_id)}/rooms/{part(room_id)}/account_data/m.fully_read"
    (await alice.put(path, {"event_id": "$x"})).refused(405, "M_BAD_JSON")


async def test_marking_a_room_unread_is_account_data(alice: Client, room_id: str) -> None:
    device = Device(alice)
    await device.settle()
    path = f"/user/{part(alice.user_id)}/rooms/{part(room_id)}/account_data/m.marked_unread"
    (await alice.put(path, {"unread": True})).ok()
    section = await device.joined(room_id)
    assert section["account_data"]["events"] == [{"type": "m.marked_unread", "content": {"unread": True}}]
