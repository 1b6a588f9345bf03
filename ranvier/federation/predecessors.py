"""Walking a room's graph backwards, for those who miss a part of it.

Spec: server-server API, "Backfilling and retrieving missing events", "Soft failure". Rejected events are walked through
and not handed out; soft-failed ones are met only where an event that is asked for cites them.
"""

from collections.abc import Collection, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import FIRST_POS, REJECTED, StoredEvent, timeline_rows

REJECTED_STEPS: Final = 100
"""How many events that are not handed out a walk goes through."""


class Predecessors:
    """Finds what came before."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def before(self, room: Room, event_ids: Collection[str], limit: int) -> list[StoredEvent]:
        """These events and those before them, at most `limit`, those of the greatest depth first.

        A statement for the events, one for the timeline before them, and then one for each event that is not there.
        """
        starts = await self._placed(room, event_ids)
        await self._read_ahead(room, starts, limit)
        waiting: list[tuple[int, int, StoredEvent]] = []
        met = set[int]()
        _push(waiting, met, starts)
        found: list[StoredEvent] = []
        passed = 0
        while waiting and len(found) < limit and passed < REJECTED_STEPS:
            _, _, stored = heappop(waiting)
            if stored.status == REJECTED:
                passed += 1
            else:
                found.append(stored)
            if len(found) < limit:
                _push(waiting, met, await self._placed(room, stored.event.prev_events))
        return found

    async def between(
        self, room: Room, latest: Collection[str], earliest: Collection[str], *, limit: int, min_depth: int
    ) -> list[StoredEvent]:
        """What comes before `latest`, up to `earliest`, both left out: the nearest `limit`, the oldest first.

        Breadth first, one statement a generation that is not in memory.
        """
        met = {*latest, *earliest}
        generation = [stored for stored in await self._placed(room, latest) if stored.event.event_id not in earliest]
        found: list[StoredEvent] = []
        passed = 0
        while generation and len(found) < limit and passed < REJECTED_STEPS:
            cited = dict.fromkeys(event_id for stored in generation for event_id in stored.event.prev_events)
            wanted = [event_id for event_id in cited if event_id not in met]
            met.update(wanted)
            placed = await self._placed(room, wanted)
            # A depth is what somebody has claimed, and may be negative: who wants everything gets everything.
            generation = [stored for stored in placed if min_depth <= 0 or stored.event.depth >= min_depth]
            shown = [stored for stored in generation if stored.status != REJECTED]
            passed += len(generation) - len(shown)
            found += shown[: limit - len(found)]
        found.reverse()
        return sorted(found, key=_depth)

    async def _placed(self, room: Room, event_ids: Collection[str]) -> list[StoredEvent]:
        """Those of these events that stand in the room's graph."""
        if not event_ids:
            return []
        found = await self._rooms.cache.by_id(event_ids)
        return [
            stored
            for event_id in event_ids
            if (stored := found.get(event_id)) is not None
            and stored.room_nid == room.room_nid
            and stored.state_before is not None
        ]

    async def _read_ahead(self, room: Room, starts: Sequence[StoredEvent], limit: int) -> None:
        """Bring the events that will most probably be met into memory, with one statement."""
        positions = [stored.pos for stored in starts if stored.pos is not None]
        if positions and limit > len(starts):
            rows = await timeline_rows(
                self._rooms.db, room.room_nid, after=FIRST_POS, before=max(positions), limit=limit, backwards=True
            )
            await self._rooms.cache.from_rows(rows)


def _push(waiting: list[tuple[int, int, StoredEvent]], met: set[int], events: Iterable[StoredEvent]) -> None:
    for stored in events:
        if stored.event_nid not in met:
            met.add(stored.event_nid)
            heappush(waiting, (-stored.event.depth, -stored.event_nid, stored))


def _depth(stored: StoredEvent) -> int:
    return stored.event.depth
