"""What has to be true when all is quiet again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

from tests.soak.ledger import Ledger
from tests.soak.person import Person
from tests.soak.town import Town

_PATIENCE_S = 300
"""A Synapse beside other programs has needed more than two minutes to catch up."""
Problem = str


async def fetch_messages(people: list[Person], ledger: Ledger) -> None:
    """Sync until every message to a device has come, or for minutes; and once more, which says that they have."""

    async def all_there() -> bool:
        await _sync(people)
        return not ledger.lost_messages()

    await _patiently(all_there)
    await all_there()


async def _sync(people: list[Person]) -> None:
    for start in range(0, len(people), 20):
        await asyncio.gather(*(person.sync() for person in people[start : start + 20]))


async def lost_events(people: dict[str, list[Person]], ledger: Ledger) -> tuple[list[Problem], int]:
    """Acknowledged events that a server does not show, or more than once; and how many rooms were read."""
    problems: list[Problem] = []
    read = 0
    for room_id, promised in ledger.events.items():
        for server, there in people.items():
            reader = next(person for person in there if room_id in person.rooms)
            problems += await _lost_in_room(reader, room_id, server, promised)
            read += 1
    return problems, read


async def _lost_in_room(reader: Person, room_id: str, server: str, promised: dict[str, str]) -> list[Problem]:
    found: Counter[str] = Counter()

    async def all_there() -> bool:
        found.clear()
        found.update(await reader.history(room_id))
        return found.keys() >= promised.keys()

    await _patiently(all_there)
    lost = promised.keys() - found.keys()
    doubled = [event_id for event_id, count in found.items() if count > 1]
    return [f"{server} has lost {event_id} of {promised[event_id]} in {room_id}" for event_id in lost] + [
        f"{server} shows {event_id} in {room_id} more than once" for event_id in doubled
    ]


async def disagreements(people: dict[str, list[Person]], room_ids: list[str]) -> list[Problem]:
    """Rooms of whose state the servers have different opinions, though they all have heard each other since."""
    problems: list[Problem] = []
    for room_id in room_ids:
        readers = [next(person for person in there if room_id in person.rooms) for there in people.values()]
        for reader in readers:
            # What brings together what has gone different ways.
            await reader.say(room_id)
        states: list[dict[tuple[str, str], str]] = []

        async def same(
            room_id: str = room_id, readers: list[Person] = readers, states: list[dict[tuple[str, str], str]] = states
        ) -> bool:
            states[:] = [await reader.state(room_id) for reader in readers]
            return all(one == other for one, other in pairwise(states))

        if not await _patiently(same):
            keys = {
                key for state in states for key in state if any(key not in s or s[key] != state[key] for s in states)
            }
            problems.append(f"the servers do not agree on {sorted(keys)} of {room_id}")
    return problems


async def full_queues(town: Town, people: list[Person]) -> list[Problem]:
    """What has not been emptied.

    Who was cut off while sending a message to a device may have sent it all the same, and it may come only now.
    """

    async def empty() -> bool:
        if not _full(town):
            return True
        await _sync(people)
        return False

    await _patiently(empty)
    return _full(town)


def _full(town: Town) -> list[Problem]:
    return [
        f"{server.folder.name}: {count} {name}"
        for server in town.ranviers
        for name, count in server.queues().items()
        if count
    ]


async def _patiently(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + _PATIENCE_S
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.5)
    return True
