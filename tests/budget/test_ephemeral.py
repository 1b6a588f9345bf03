"""What receipts, typing, unread counts and rules may cost the database."""

import asyncio

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.device import Device
from tests.api.homeserver import Homeserver
from tests.budget.test_statements import Spent, spending


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A room that is warm: two members, some messages, everyone has sent."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    for client in (alice, bob):
        await read(client, room_id, await client.say(room_id, "warm"))
    return room_id


@pytest.fixture
async def devices(alice: Client, bob: Client, room_id: str) -> list[Device]:
    """Both users follow the room."""
    devices = [Device(alice), Device(bob)]
    for device in devices:
        await device.settle()
    return devices


async def read(client: Client, room_id: str, event_id: str, **body: str) -> None:
    (await client.post(f"{in_room(room_id)}/receipt/m.read/{part(event_id)}", body)).ok()


async def types(client: Client, room_id: str, *, typing: bool) -> None:
    (await client.put(f"{in_room(room_id)}/typing/{part(client.user_id)}", {"typing": typing})).ok()


async def test_a_receipt(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    async with spending(homeserver.db) as spent:
        await read(bob, room_id, event_id)
    assert spent == Spent(statements=1, write_transactions=1)
    async with spending(homeserver.db) as spent:
        await read(bob, room_id, event_id)
    assert spent == Spent()


async def test_all_markers_at_once(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    async with spending(homeserver.db) as spent:
        markers = {"m.fully_read": event_id, "m.read": event_id, "m.read.private": event_id}
        (await bob.post(f"{in_room(room_id)}/read_markers", markers)).ok()
    assert spent.write_transactions == 1
    assert spent.statements <= 3


async def test_many_receipts_share_transactions(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    people = [await homeserver.register(f"user{n}") for n in range(10)]
    for person in people:
        (await person.act(room_id, "join")).ok()
        await read(person, room_id, await alice.say(room_id, "warm"))
    event_id = await alice.say(room_id, "x")
    async with spending(homeserver.db) as spent:
        await asyncio.gather(*(read(person, room_id, event_id) for person in people))
    assert spent.write_transactions <= 3
    assert spent.statements <= 3


async def test_being_told_of_a_receipt(
    homeserver: Homeserver, alice: Client, bob: Client, devices: list[Device], room_id: str
) -> None:
    event_id = await alice.say(room_id, "x")
    for device in devices:
        await device.sync()
    await read(bob, room_id, event_id)
    async with spending(homeserver.db) as spent:
        for device in devices:
            assert await device.ephemeral(room_id, "m.receipt")
    assert spent == Spent()


async def test_typing(homeserver: Homeserver, bob: Client, devices: list[Device], room_id: str) -> None:
    async with spending(homeserver.db) as spent:
        for typing in (True, False):
            await types(bob, room_id, typing=typing)
            for device in devices:
                assert await device.ephemeral(room_id, "m.typing")
    assert spent == Spent()


async def test_counting_what_is_unread(
    homeserver: Homeserver, alice: Client, devices: list[Device], room_id: str
) -> None:
    for n in range(20):
        await alice.say(room_id, str(n))
    async with spending(homeserver.db) as spent:
        section = await devices[1].joined(room_id)
    assert section["unread_notifications"]["notification_count"] == 20
    assert spent.write_transactions == 0
    assert spent.statements <= 3


async def test_a_first_sync_again(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    """Receipts and counts of rooms that nobody has touched are in memory."""
    event_id = await alice.say(room_id, "x")
    for client in (bob, alice):
        await read(client, room_id, event_id)
        await Device(client).sync()
    async with spending(homeserver.db) as spent:
        await Device(bob).sync()
    assert spent.write_transactions == 0
    assert spent.statements <= 2


async def test_changing_a_push_rule(homeserver: Homeserver, alice: Client) -> None:
    (await alice.get("/pushrules/")).ok()
    async with spending(homeserver.db) as spent:
        (await alice.put("/pushrules/global/override/mine", {"actions": []})).ok()
    assert spent.write_transactions == 1
    assert spent.statements <= 3


async def test_reading_push_rules(homeserver: Homeserver, alice: Client) -> None:
    (await alice.get("/pushrules/")).ok()
    async with spending(homeserver.db) as spent:
        (await alice.get("/pushrules/")).ok()
    assert spent == Spent()


async def test_presence(homeserver: Homeserver, alice: Client, devices: list[Device], room_id: str) -> None:
    async with spending(homeserver.db) as spent:
        for presence in ("unavailable", "online", "offline"):
            (await alice.put(f"/presence/{part(alice.user_id)}/status", {"presence": presence})).ok()
            assert "presence" in await devices[1].sync(set_presence="offline")
    assert spent == Spent()
