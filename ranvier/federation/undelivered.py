"""Finds in the database what servers have not been sent: after a restart, and after they have been away for long."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database
from ranvier.federation.destination_queue import MAX_WAITING, Entry
from ranvier.federation.event_destinations import EventDestinations
from ranvier.ports import Clock
from ranvier.store import destinations as store
from ranvier.store.event_cache import EventCache
from ranvier.store.events import POS_BITS, StoredEvent, timeline_rows

PAGE: Final = 200
ROOMS: Final = 100

Visit = Callable[[Entry, frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What one server has missed."""

    entries: list[Entry]
    """In the order of the stream."""
    is_everything: bool
    """Else it is the last event of each room only, from which the server can ask for what came before."""


class UndeliveredEvents:
    """Reads local events by their places in the stream."""

    def __init__(self, *, db: Database, cache: EventCache, destinations: EventDestinations, clock: Clock) -> None:
        self._db = db
        self._cache = cache
        self._destinations = destinations
        self._clock = clock

    async def between(self, since: int, until: int, visit: Visit) -> None:
        """Show every local event with `since < stream_pos <= until`, and the servers that it goes to, in order."""
        found = []
        for room_nid in await store.rooms_after(self._db, _last(since)):
            async for stored in self._backwards(room_nid, since, until):
                found.append((_entry(stored), await self._destinations.of(stored)))
        found.sort(key=lambda pair: pair[0].stream_pos)
        for entry, destinations in found:
            visit(entry, destinations)

    async def of(self, destination: str, since: int, until: int) -> Undelivered:
        """What goes to one server with `since < stream_pos <= until`.

        All of it if that is no more than `MAX_WAITING` events, else the latest of each room.
        """
        latest: list[Entry] = []
        earlier: list[Entry] = []
        is_everything = True
        for room_nid in await self._rooms_of(destination, since):
            has_latest = False
            async for stored in self._backwards(room_nid, since, until):
                if destination not in await self._destinations.of(stored):
                    continue
                if not has_latest:
                    latest.append(_entry(stored))
                    has_latest = True
                elif is_everything:
                    earlier.append(_entry(stored))
                if is_everything and len(latest) + len(earlier) > MAX_WAITING:
                    is_everything = False
                    earlier = []
                if not is_everything:
                    break
        return Undelivered(sorted(latest + earlier, key=lambda entry: entry.stream_pos), is_everything)

    async def _rooms_of(self, destination: str, since: int) -> list[int]:
        """Rooms with news in which somebody of the server is or was, or may be."""
        users = await store.users_of(self._db, destination)
        told = self._destinations.rooms_told_of(destination)
        changed = await store.rooms_after(self._db, _last(since)) if users or told else []
        rooms = [room_nid for room_nid in changed if room_nid in told]
        changed = [room_nid for room_nid in changed if room_nid not in told] if users else []
        for start in range(0, len(changed), ROOMS):
            rooms += await store.rooms_with_any(self._db, changed[start : start + ROOMS], users)
            await self._clock.sleep(0)  # Reading may not have let others go on.
        return rooms

    async def _backwards(self, room_nid: int, since: int, until: int) -> AsyncIterator[StoredEvent]:
        before = (until + 1) << POS_BITS
        while True:
            rows = await timeline_rows(
                self._db, room_nid, after=_last(since), before=before, limit=PAGE, backwards=True
            )
            for stored in await self._cache.from_rows(rows):
                if self._destinations.is_ours(stored):
                    yield stored
            if len(rows) < PAGE:
                return
            before = rows[-1][2]
            await self._clock.sleep(0)


def _entry(stored: StoredEvent) -> Entry:
    return Entry(stored.event_nid, stored.stream_pos)


def _last(stream_pos: int) -> int:
    """The place of the live event at this position; whatever came after it stands behind this."""
    return stream_pos << POS_BITS
