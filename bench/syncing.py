"""Scenarios around sync: first ones, full and lazy, and those that follow."""

from bench.measure import Operation, Scenario
from bench.talking import room_of
from bench.target import Target

ROOMS = 30
LAZY = '{"room":{"state":{"lazy_load_members":true}}}'


async def _first(target: Target, filter: str) -> Operation:
    _, people = await room_of(target, 20)
    for number in range(ROOMS):
        room_id = await people[0].create_room(name=f"Room {number}")
        await people[1].join(room_id)
        for _ in range(5):
            await people[1].say(room_id)

    async def from_the_beginning(number: int) -> None:
        people[0].since = ""
        # Another filter each time, so that no answer is one that was kept.
        own = filter.replace('{"room":{', f'{{"room":{{"timeline":{{"limit":{5 + number % 10}}},')
        await people[0].sync(filter=own)

    return from_the_beginning


async def _first_full(target: Target) -> Operation:
    return await _first(target, '{"room":{"include_leave":false}}')


async def _first_lazy(target: Target) -> Operation:
    return await _first(target, LAZY)


async def _nothing_new(target: Target) -> Operation:
    _, people = await room_of(target, 2)
    for _ in range(ROOMS):
        await people[0].create_room()
    await people[0].sync()
    return lambda _: people[0].sync()


async def _one_message(target: Target) -> Operation:
    room_id, people = await room_of(target, 2)
    for _ in range(ROOMS):
        await people[0].create_room()
    await people[0].sync()

    async def send_and_sync(_: int) -> None:
        await people[1].say(room_id)
        await people[0].sync()

    return send_and_sync


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        Scenario(f"first sync, {ROOMS} rooms", _first_full, 6),
        Scenario(f"first sync, {ROOMS} rooms, lazy", _first_lazy, 6),
        Scenario(f"sync, nothing new, {ROOMS} rooms", _nothing_new, 60),
        Scenario(f"send and sync, {ROOMS} rooms", _one_message, 30),
    ]
