"""What a server that cannot be reached may cost in a room of two hundred: one attempt in each back-off period."""

import asyncio
from pathlib import Path
from typing import Any

from tests.api.asgi import Client
from tests.federation.signed import Door, behind_door
from tests.plays.virtual_loop import run_virtually

AWAY = "s7.test"
MINUTE_S = 60


def _attempts(door: Door) -> list[float]:
    """When the server was tried, for whatever."""
    asked = [number for number, request in enumerate(door.peers.requests) if request.server == AWAY]
    return sorted([sent.at_s for sent in door.peers.tried[AWAY]] + [door.peers.asked_at_s[number] for number in asked])


async def _say_everything(door: Door, client: Client, number: int) -> None:
    room_id = door.room.room_id
    event_id = (await client.send(room_id, "m.room.message", {"body": f"{number}"})).ok()["event_id"]
    (await client.put(f"/rooms/{room_id}/typing/{client.user_id}", {"typing": number % 2 == 0, "timeout": 9000})).ok()
    (await client.post(f"/rooms/{room_id}/receipt/m.read/{event_id}", {})).ok()
    state = "online" if number % 2 else "unavailable"
    (await client.put(f"/presence/{client.user_id}/status", {"presence": state, "status_msg": f"{number}"})).ok()
    devices = (await client.get("/devices")).ok()["devices"]
    (await client.put(f"/devices/{devices[0]['device_id']}", {"display_name": f"{number}"})).ok()
    keys: Any = {"algorithms": [], "device_id": devices[0]["device_id"], "user_id": client.user_id}
    await client.post("/keys/upload", {"device_keys": {**keys, "keys": {}, "signatures": {}}})
    theirs = f"@u:{AWAY}"
    messages = {theirs: {"DEVICE": {"number": number}}}
    (await client.put(f"/sendToDevice/m.some/{number}", {"messages": messages})).ok()
    answered = (await client.post("/keys/query", {"device_keys": {theirs: []}, "timeout": 1000})).ok()
    assert AWAY in answered["failures"] or theirs not in answered["device_keys"]
    (await client.post("/keys/claim", {"one_time_keys": {theirs: {"DEVICE": "signed_curve25519"}}})).ok()
    assert (await client.get(f"/profile/{theirs}")).status in (404, 502)
    await client.get(f"/rooms/{room_id}/timestamp_to_event?ts=1&dir=f")
    await client.get(f"/rooms/{room_id}/messages?dir=b&limit=50")


def test_whatever_is_sent_and_asked(tmp_path: Path) -> None:
    async def act() -> None:
        async with behind_door(tmp_path, servers=200) as door:
            door.peers.down = {AWAY}
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            number = 0
            while loop.time() - began_s < 60 * MINUTE_S:
                number += 1
                await _say_everything(door, door.alice, number)
                await asyncio.sleep(2 * MINUTE_S)
            attempts = _attempts(door)
            # At the beginning, after ten minutes, and after another twenty.
            assert len(attempts) == 3, attempts
            assert all(door.peers.events(f"s{other}.test")[-1] == f"{number}" for other in (0, 1, 199))

    run_virtually(act())
