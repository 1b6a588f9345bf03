"""What a room costs as it grows: a message, a join, the list of members and a first sync, at several sizes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import Measured, Operation, Scenario, measure
from bench.target import Person, Target

_AT_ONCE = 8
_OPERATIONS = 6


@dataclass(slots=True)
class _Growing:
    """A room of one server."""

    room_id: str
    people: list[Person]

    async def grow(self, target: Target, members: int) -> None:
        waiting = list(range(members - len(self.people)))

        async def bring() -> None:
            while waiting:
                waiting.pop()
                person = await target.person()
                await person.join(self.room_id)
                self.people.append(person)

        await asyncio.gather(*(bring() for _ in range(_AT_ONCE)))


async def grow(
    targets: Sequence[Target], sizes: Sequence[int], *, rounds: int
) -> dict[str, dict[int, dict[str, Measured]]]:
    """By what is done, the number of members, and the server."""
    rooms: dict[str, _Growing] = {}
    for target in targets:
        owner = await target.person()
        rooms[target.name] = _Growing(await owner.create_room(), [owner])
    found: dict[str, dict[int, dict[str, Measured]]] = {}
    for size in sizes:
        for target in targets:
            await rooms[target.name].grow(target, size)
        for scenario in _scenarios(rooms):
            found.setdefault(scenario.name, {})[size] = await measure(scenario, targets, rounds=rounds)
    return found


def _scenarios(rooms: dict[str, _Growing]) -> list[Scenario]:
    async def send(target: Target) -> Operation:
        room = rooms[target.name]
        return lambda number: room.people[number % 5].say(room.room_id)

    async def members(target: Target) -> Operation:
        room = rooms[target.name]
        return lambda _: room.people[0].ask("GET", f"/rooms/{room.room_id}/members")

    async def first_sync(target: Target) -> Operation:
        room = rooms[target.name]

        async def sync(number: int) -> None:
            # Another one each time: nothing of theirs is kept from before.
            person = room.people[number % len(room.people)]
            person.since = ""
            await person.sync()

        return sync

    return [
        Scenario("send", send, _OPERATIONS, warm_up=2),
        Scenario("members", members, _OPERATIONS, warm_up=1),
        Scenario("first sync, all members", first_sync, _OPERATIONS, warm_up=1),
    ]
