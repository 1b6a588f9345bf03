"""Presence. Spec: client-server API, "Presence"."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.device import Device, filtered
from tests.api.homeserver import running


def path(client: Client) -> str:
    return f"/presence/{part(client.user_id)}/status"


async def put(client: Client, presence: str, **more: str) -> Answer:
    return await client.put(path(client), {"presence": presence, **more})


async def seen(device: Device, client: Client, **query: str) -> list[Any]:
    """What is new of a user's presence."""
    events = (await device.sync(**query)).get("presence", {}).get("events", [])
    return [event["content"] for event in events if event["sender"] == client.user_id]


def quiet(client: Client, **query: str) -> Device:
    """A device that does not make its user present."""
    return Device(client, set_presence="offline", **query)


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def test_setting_and_reading(alice: Client, bob: Client, room_id: str) -> None:
    assert (await bob.get(path(alice))).ok() == {"presence": "offline"}
    assert (await put(alice, "online", status_msg="tea")).ok() == {}
    for reader in (alice, bob):
        found = (await reader.get(path(alice))).ok()
        assert 0 <= found.pop("last_active_ago") < 5000
        assert found == {"presence": "online", "status_msg": "tea", "currently_active": True}
    (await put(alice, "unavailable")).ok()
    found = (await bob.get(path(alice))).ok()
    assert found.keys() == {"presence", "last_active_ago"} and found["presence"] == "unavailable"


async def test_those_who_share_a_room_are_told(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    device, stranger = quiet(bob), quiet(carol)
    await device.settle()
    await stranger.settle()
    waiting = await device.waiting()
    (await put(alice, "online", status_msg="here")).ok()
    (event,) = (await asyncio.wait_for(waiting, 1))["presence"]["events"]
    assert event["type"] == "m.presence" and event["sender"] == alice.user_id
    assert event["content"]["presence"] == "online" and event["content"]["status_msg"] == "here"
    assert await seen(device, alice) == []
    assert await seen(stranger, alice) == []
    (await put(alice, "online", status_msg="here")).ok()
    assert await seen(device, alice) == [], "nothing has changed"


async def test_following_ones_account_makes_one_present(alice: Client, bob: Client, room_id: str) -> None:
    device = quiet(bob)
    await device.settle()
    await Device(alice, set_presence="unavailable").sync()
    assert [content["presence"] for content in await seen(device, alice)] == ["unavailable"]
    await Device(alice).sync()
    assert [content["presence"] for content in await seen(device, alice)] == ["online"]
    await quiet(alice).sync()
    assert await seen(device, alice) == []


async def test_who_said_that_they_are_idle_stays_so(alice: Client, bob: Client, room_id: str) -> None:
    await Device(alice).sync()
    (await put(alice, "unavailable")).ok()
    await Device(alice).sync()
    assert (await bob.get(path(alice))).ok()["presence"] == "unavailable"
    await alice.say(room_id, "back")
    found = (await bob.get(path(alice))).ok()
    assert found["presence"] == "online" and found["currently_active"] is True


async def test_a_first_sync_shows_who_is_there(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    (await carol.act(room_id, "join")).ok()
    (await put(alice, "online")).ok()
    (await put(carol, "online")).ok()
    (await put(carol, "offline")).ok()
    events = (await quiet(bob).sync())["presence"]["events"]
    assert [event["sender"] for event in events] == [alice.user_id]


async def test_newcomers_and_those_who_are_there_learn_of_each_other(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    one, other = Device(alice), Device(carol)
    await one.settle()
    await other.settle()
    (await carol.act(room_id, "join")).ok()
    assert [content["presence"] for content in await seen(one, carol)] == ["online"]
    assert [content["presence"] for content in await seen(other, alice)] == ["online"]


async def test_people_become_idle_and_go(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "x.db")}}
    short = {"last_active_granularity": 60, "idle_timeout": 120, "sync_online_timeout": 80}
    async with running(database, presence=short) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        device, following = quiet(bob), Device(alice)
        await device.settle()
        await following.settle()
        assert [content["currently_active"] for content in await seen(device, alice)] == [True]
        there = asyncio.create_task(
            alice.get("/sync", since=following.since or "", timeout="400", set_presence="online")
        )
        told: list[Any] = []
        while not told or told[-1]["presence"] != "offline":
            told += await asyncio.wait_for(seen(device, alice, timeout="3000"), 4)
            if told and told[-1]["presence"] == "unavailable":
                there.cancel()
        shown = [(content["presence"], content.get("currently_active")) for content in told]
        assert shown == [("online", False), ("unavailable", None), ("offline", None)]


async def test_only_ones_own_and_only_what_there_is(alice: Client, bob: Client) -> None:
    (await bob.put(path(alice), {"presence": "online"})).refused(403, "M_FORBIDDEN")
    (await put(alice, "busy")).refused(400, "M_BAD_JSON")
    (await alice.put(path(alice), {})).refused(400, "M_BAD_JSON")
    (await put(alice, "online", status_msg="x" * 1001)).refused(400, "M_INVALID_PARAM")


async def test_strangers_see_nothing(alice: Client, carol: Client, room_id: str) -> None:
    (await put(alice, "online")).ok()
    (await carol.get(path(alice))).refused(403, "M_FORBIDDEN")
    (await carol.get("/presence/x/status")).refused(403, "M_FORBIDDEN")


async def test_filters(alice: Client, bob: Client, room_id: str) -> None:
    choices: list[dict[str, list[str]]] = [{"types": []}, {"not_senders": [alice.user_id]}]
    for choice in choices:
        device = quiet(bob, **filtered(presence=choice))
        await device.settle()
        (await put(alice, "online", status_msg=str(choice))).ok()
        assert await seen(device, alice) == []


@pytest.mark.parametrize("enabled", [False, "untracked"])
async def test_presence_can_be_off(tmp_path: Path, enabled: object) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "x.db")}}
    async with running(database, presence={"enabled": enabled}) as homeserver:
        alice = await homeserver.register("alice")
        assert (await put(alice, "online")).ok() == {}
        assert (await alice.get(path(alice))).ok() == {"presence": "offline"}
        assert "presence" not in await Device(alice).sync()


async def test_rooms_without_presence(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "x.db")}}
    async with running(database) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
    async with running(database, exclude_rooms_from_presence=[room_id]) as homeserver:
        alice, bob = alice.at(homeserver.app), bob.at(homeserver.app)
        device = quiet(bob)
        await device.settle()
        (await put(alice, "online")).ok()
        assert await seen(device, alice) == []
        assert "presence" not in await quiet(bob).sync()
