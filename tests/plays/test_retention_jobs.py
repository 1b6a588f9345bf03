"""The jobs that let things be forgotten come by at their times."""

import asyncio
from pathlib import Path

from tests.api.asgi import in_room
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, say, world

NAME = "one.test"
OPTIONS: dict[str, object] = {
    "retention": {
        "enabled": True,
        "default_policy": {"max_lifetime": "3h"},
        "purge_jobs": [{"interval": "10m", "longest_max_lifetime": "1d"}],
    },
    "redaction_retention_period": "1h",
    "forgotten_room_retention_period": "30m",
    "user_ips_max_age": "30m",
}


def test_jobs_come_by(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(1, tmp_path) as w:
            w.options = OPTIONS
            await w.start(NAME)
            await play(w)

    run_virtually(run())


async def play(w: World) -> None:
    alice = await w.user("alice", NAME)
    room_id, left = await alice.create_room(), await alice.create_room()
    redacted = await say(alice, room_id, "my secret")
    for n in range(3):
        await say(alice, room_id, f"old {n}")
    (await alice.redact(room_id, redacted)).ok()
    for act in ("leave", "forget"):
        (await alice.post(f"{in_room(left)}/{act}")).ok()
    db = w.servers[NAME].db
    messages = "SELECT COUNT(*) FROM events WHERE key_id IS NULL AND room_nid = $1"
    room_nid = await db.value("SELECT room_nid FROM rooms WHERE room_id = $1", room_id)
    address = "SELECT COUNT(*) FROM devices WHERE last_seen_user_agent IS NOT NULL"
    await w.servers[NAME].users.last_seen.flush()
    assert await db.value(messages, room_nid) == 5
    text = "SELECT json FROM events WHERE event_id = $1"
    assert b"my secret" in bytes(await db.value(text, redacted))
    assert await db.value(address) == 1

    await asyncio.sleep(2 * 3600)  # Of the time of the play.
    assert b"my secret" not in bytes(await db.value(text, redacted))
    assert await db.value("SELECT COUNT(*) FROM rooms WHERE room_id = $1", left) == 0
    assert await db.value(address) == 0
    assert await db.value(messages, room_nid) == 5
    await asyncio.sleep(2 * 3600)
    assert await db.value(messages, room_nid) == 1
