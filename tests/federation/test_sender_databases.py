"""Sending to other servers on each database, in real time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.federation.peers import Place, place


@pytest.fixture
async def at(tmp_path: Path, db_config: Mapping[str, Any]) -> AsyncIterator[Place]:
    async with place(tmp_path, db_config) as made:
        made.peers.delay_s = 0.0
        yield made


async def until(condition: Callable[[], bool]) -> None:
    """Wait, at most for ten seconds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def has_heard(at: Place, server: str, body: str) -> Callable[[], bool]:
    """Whether a message and a message to devices have come."""
    return lambda: at.peers.events(server)[-1:] == [body] and bool(at.peers.edus(server))


async def test_a_crash_loses_nothing(at: Place) -> None:
    assert at.homeserver is not None
    client = await at.homeserver.register("alice")
    room = await at.room(client.user_id, "@u:one.test", "@u:two.test")
    at.peers.down = {"one.test"}
    await client.say(room.room_id, "first")
    await until(lambda: at.peers.events("two.test") == ["first"])
    at.peers.delay_s = 100
    await client.say(room.room_id, "second")
    async with at.server.db.write() as tx:
        messages = {"@u:one.test": {"DEV": {"n": 1}}, "@u:two.test": {"*": {"n": 1}}}
        await at.server.federation.outbox.put(tx, client.user_id, "m.room_key", messages)
    await at.sender.flush()
    await at.restart(crash=True)
    at.peers.down.clear()
    at.peers.delay_s = 0.0
    for server in ("one.test", "two.test"):
        await until(has_heard(at, server, "second"))
    assert at.peers.events("one.test") == ["first", "second"]
    await until(lambda: not any(queue.has_work for queue in at.sender._queues.values()))
    await at.restart()
    await asyncio.sleep(0.2)
    assert at.peers.events("one.test") == ["first", "second"]
    assert [len(at.peers.edus(server)) for server in ("one.test", "two.test")] == [1, 1]
    assert await at.server.db.value("SELECT COUNT(*) FROM device_outbox") == 0
    assert await at.server.db.value("SELECT COUNT(*) FROM destinations WHERE acked_pos IS NOT NULL") == 0


async def test_what_was_read_back_from_the_database(at: Place) -> None:
    """More waits than is held in memory, for a server that has been in two rooms and left one of them."""
    assert at.homeserver is not None
    client = await at.homeserver.register("alice")
    rooms = [await at.room(client.user_id, "@u:one.test", number=number) for number in range(2)]
    at.peers.delay_s = 100
    await client.say(rooms[0].room_id, "on the way")
    await until(lambda: bool(at.peers.tried["one.test"]))
    for number in range(5):
        await client.say(rooms[number % 2].room_id, f"{number}")
    queue = at.sender._queues["one.test"]
    queue.let_go()
    assert at.sender.waiting("one.test") == 0
    await client.say(rooms[0].room_id, "last")
    await at.sender.flush()
    await at.restart(crash=True)
    at.peers.delay_s = 0.0
    expected = ["on the way", *(f"{number}" for number in range(5)), "last"]
    await until(lambda: len(at.peers.events("one.test")) >= len(expected))
    assert at.peers.events("one.test") == expected
