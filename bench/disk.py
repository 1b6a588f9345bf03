"""Bytes on disk for a message, and for a change of state in a room with members."""

from bench.talking import room_of
from bench.target import Target

MESSAGES = 500
CHANGES = 300
MEMBERS = 100


async def bytes_per_message(target: Target) -> float:
    """Of a short text; everything counts that grows, indices and logs too."""
    room_id, people = await room_of(target, 2)
    for _ in range(20):
        await people[0].say(room_id)
    before = target.database_bytes()
    for _ in range(MESSAGES):
        await people[0].say(room_id)
    return (target.database_bytes() - before) / MESSAGES


async def bytes_per_change(target: Target) -> float:
    """Of a small piece of state that is changed over and over, in a room of `MEMBERS`."""
    room_id, people = await room_of(target, MEMBERS)
    for number in range(20):
        await people[0].set_state(room_id, "bench.number", "", {"number": number})
    before = target.database_bytes()
    for number in range(CHANGES):
        await people[0].set_state(room_id, "bench.number", "", {"number": number + 100})
    return (target.database_bytes() - before) / CHANGES
