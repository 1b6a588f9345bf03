"""Ignoring users. Spec: client-server API, "Ignoring Users"."""

from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.device import Device


async def ignore(client: Client, *others: Client) -> None:
    path = f"/user/{part(client.user_id)}/account_data/m.ignored_user_list"
    (await client.put(path, {"ignored_users": {other.user_id: {} for other in others}})).ok()


def shown(section: Any) -> list[str]:
    return [event["content"].get("body", event["type"]) for event in section["timeline"]["events"]]


@pytest.fixture
async def room_id(alice: Client, bob: Client, carol: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    for client in (bob, carol):
        (await client.act(room_id, "join")).ok()
    levels = (await alice.state(room_id, "m.room.power_levels")).ok()
    (await alice.set_state(room_id, "m.room.power_levels", {**levels, "state_default": 0})).ok()
    return room_id


async def test_messages_are_left_out_and_state_is_not(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    device = Device(alice)
    await device.settle()
    await ignore(alice, bob)
    await device.settle()
    await bob.say(room_id, "from bob")
    await carol.say(room_id, "from carol")
    (await bob.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    assert shown(await device.joined(room_id)) == ["from carol", "m.room.topic"]
    fresh = shown(await Device(alice).joined(room_id))
    assert "from carol" in fresh and "m.room.topic" in fresh and "from bob" not in fresh


async def test_who_ignores_nobody_sees_everything(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    await bob.say(room_id, "from bob")
    await ignore(alice, bob)
    assert "from bob" not in shown(await Device(alice).joined(room_id))
    assert "from bob" in shown(await Device(carol).joined(room_id))
    assert "from bob" not in shown(await Device(alice).joined(room_id))


async def test_nobody_is_woken_by_whom_they_ignore(alice: Client, bob: Client, room_id: str) -> None:
    await ignore(alice, bob)
    device = Device(alice)
    await device.settle()
    waiting = await device.waiting(timeout_ms=100)
    await bob.say(room_id, "from bob")
    assert "rooms" not in await waiting


async def test_ignoring_ends_for_what_comes_after(alice: Client, bob: Client, room_id: str) -> None:
    await ignore(alice, bob)
    device = Device(alice)
    await device.settle()
    await bob.say(room_id, "missed")
    await device.sync()
    await ignore(alice)
    await bob.say(room_id, "heard")
    assert shown(await device.joined(room_id)) == ["heard"]
    assert "missed" in shown(await Device(alice).joined(room_id))


async def test_many_ignored_messages_hide_nothing(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    await ignore(alice, bob)
    device = Device(alice)
    await device.settle()
    await carol.say(room_id, "before")
    for n in range(15):
        await bob.say(room_id, str(n))
    section = await device.joined(room_id)
    assert shown(section) == ["before"]
    assert section["timeline"]["limited"] is False


async def test_invitations_are_not_told(alice: Client, bob: Client, carol: Client) -> None:
    await ignore(alice, bob)
    device = Device(alice)
    await device.settle()
    await bob.create_room(invite=[alice.user_id])
    assert "rooms" not in await device.sync()
    assert "rooms" not in await Device(alice).sync()
    invited = await carol.create_room(invite=[alice.user_id])
    assert (await device.sync())["rooms"]["invite"].keys() == {invited}


async def test_history_is_read_without_them(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    said = []
    for n in range(3):
        await bob.say(room_id, f"bob {n}")
        said.append(await carol.say(room_id, f"carol {n}"))
    await ignore(alice, bob)
    page = (await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="3")).ok()
    assert [event["content"]["body"] for event in page["chunk"]] == ["carol 2", "carol 1", "carol 0"]
    around = (await alice.get(f"{in_room(room_id)}/context/{part(said[-1])}", limit="2")).ok()
    assert [event["content"]["body"] for event in around["events_before"]] == ["carol 1"]


@pytest.mark.parametrize("content", [{}, {"ignored_users": []}, {"ignored_users": {"x": 1}}, {"ignored_users": None}])
async def test_lists_of_a_wrong_shape_ignore_nobody(alice: Client, bob: Client, room_id: str, content: object) -> None:
    (await alice.put(f"/user/{part(alice.user_id)}/account_data/m.ignored_user_list", content)).ok()
    await bob.say(room_id, "from bob")
    assert "from bob" in shown(await Device(alice).joined(room_id))
