"""Typing notifications. Spec: client-server API, "Typing Notifications"."""

import asyncio

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.device import Device, filtered


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


@pytest.fixture
async def device(alice: Client, room_id: str) -> Device:
    device = Device(alice)
    await device.settle()
    return device


async def types(client: Client, room_id: str, *, typing: bool = True, timeout_ms: int | None = None) -> Answer:
    body = {"typing": typing} | ({} if timeout_ms is None else {"timeout": timeout_ms})
    return await client.put(f"{in_room(room_id)}/typing/{part(client.user_id)}", body)


async def test_typing_begins_and_stops(bob: Client, device: Device, room_id: str) -> None:
    waiting = await device.waiting()
    assert (await types(bob, room_id)).ok() == {}
    answer = await asyncio.wait_for(waiting, 1)
    (event,) = answer["rooms"]["join"][room_id]["ephemeral"]["events"]
    assert event == {"type": "m.typing", "content": {"user_ids": [bob.user_id]}}
    await types(bob, room_id)
    assert await device.ephemeral(room_id, "m.typing") == []
    await types(bob, room_id, typing=False)
    assert await device.ephemeral(room_id, "m.typing") == [{"user_ids": []}]
    await types(bob, room_id, typing=False)
    assert await device.ephemeral(room_id, "m.typing") == []


async def test_typing_stops_by_itself(bob: Client, device: Device, room_id: str) -> None:
    await types(bob, room_id, timeout_ms=50)
    assert await device.ephemeral(room_id, "m.typing") == [{"user_ids": [bob.user_id]}]
    answer = await asyncio.wait_for(device.sync(timeout="5000"), 3)
    (event,) = answer["rooms"]["join"][room_id]["ephemeral"]["events"]
    assert event["content"] == {"user_ids": []}


async def test_whoever_goes_on_typing_is_typing_longer(bob: Client, device: Device, room_id: str) -> None:
    await types(bob, room_id, timeout_ms=50)
    await types(bob, room_id, timeout_ms=30_000)
    await device.ephemeral(room_id, "m.typing")
    await asyncio.sleep(0.1)
    assert await device.ephemeral(room_id, "m.typing") == []


async def test_who_sends_or_leaves_has_stopped(bob: Client, device: Device, room_id: str) -> None:
    await types(bob, room_id)
    await bob.say(room_id, "done")
    assert await device.ephemeral(room_id, "m.typing") == [{"user_ids": []}]
    await types(bob, room_id)
    await bob.act(room_id, "leave")
    assert await device.ephemeral(room_id, "m.typing") == [{"user_ids": []}]


async def test_a_first_sync_and_a_newcomer_see_who_is_typing(
    alice: Client, bob: Client, carol: Client, room_id: str
) -> None:
    newcomer = Device(carol)
    await newcomer.settle()
    await types(bob, room_id)
    assert await Device(alice).ephemeral(room_id, "m.typing") == [{"user_ids": [bob.user_id]}]
    (await carol.act(room_id, "join")).ok()
    assert await newcomer.ephemeral(room_id, "m.typing") == [{"user_ids": [bob.user_id]}]


async def test_nobody_types_for_others_or_elsewhere(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    path = f"{in_room(room_id)}/typing/{part(bob.user_id)}"
    (await alice.put(path, {"typing": True})).refused(403, "M_FORBIDDEN")
    (await types(carol, room_id)).refused(403, "M_FORBIDDEN")
    (await types(carol, "!nowhere:ranvier.test")).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("body", [{}, {"typing": "yes"}, {"typing": True, "timeout": "x"}])
async def test_malformed_bodies_are_refused(bob: Client, room_id: str, body: object) -> None:
    (await bob.put(f"{in_room(room_id)}/typing/{part(bob.user_id)}", body)).refused(400, "M_BAD_JSON")


async def test_a_timeout_that_is_no_time(bob: Client, device: Device, room_id: str) -> None:
    for timeout_ms in (0, -5):
        (await types(bob, room_id, timeout_ms=timeout_ms)).ok()
    assert await device.ephemeral(room_id, "m.typing") == []


async def test_a_filter_can_leave_typing_out(alice: Client, bob: Client, room_id: str) -> None:
    device = Device(alice, **filtered(room={"ephemeral": {"not_types": ["m.typing"]}}))
    await device.settle()
    await types(bob, room_id)
    assert "rooms" not in await device.sync()


async def test_ignored_users_do_not_seem_to_type(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    (await carol.act(room_id, "join")).ok()
    path = f"/user/{part(alice.user_id)}/account_data/m.ignored_user_list"
    (await alice.put(path, {"ignored_users": {bob.user_id: {}}})).ok()
    device = Device(alice)
    await device.settle()
    await types(bob, room_id)
    await types(carol, room_id)
    assert await device.ephemeral(room_id, "m.typing") == [{"user_ids": [carol.user_id]}]
