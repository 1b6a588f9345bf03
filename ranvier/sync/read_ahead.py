"""What a first sync needs of many rooms, read for all of them together before they are looked at one by one.

So a sync after a start costs one statement a room, for its timeline. Everything here only fills memories; what is not read
ahead is read later.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.rooms.full_room import known_members
from ranvier.rooms.heroes import HEROES, names_room
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.events import FIRST_POS, StoredEvent
from ranvier.store.rooms import Membership, RoomRow
from ranvier.sync.query import SyncQuery
from ranvier.sync.state_section import senders
from ranvier.sync.timeline import Timeline, Timelines

SMALL: Final = 40
"""Of rooms with at most so many people all are read to find the heroes, for many rooms at once."""
LOOK_UPS: Final = 2000
"""So many members are looked for at once: every sender in every room."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What has been read of a room."""

    timeline: Timeline
    heroes: tuple[str, ...] | None
    """`HEROES` + 1 of them, so that one can be the asker; `None` if the room has a name."""


class ReadAhead:
    """Reads for many rooms at once."""

    def __init__(self, *, rooms: Rooms, timelines: Timelines) -> None:
        self._rooms = rooms
        self._timelines = timelines

    async def rooms(
        self, query: SyncQuery, wanted: Sequence[tuple[Membership, RoomRow]], upto: int, ignored: frozenset[str]
    ) -> dict[int, Ahead]:
        """The newest events of each room that the user of `query` is in, and in memory what they refer to."""
        await self._rooms.load_many([mine.room_nid for mine, _ in wanted])
        found = {
            mine.room_nid: await self._timelines.newest(
                mine.room_nid,
                after=FIRST_POS,
                upto=min(head.last_pos, upto),
                limit=query.timeline_limit,
                wanted=query.filter.room.timeline,
                ignored=ignored,
            )
            for mine, head in wanted
        }
        if query.filter.room.timeline.is_open and not ignored:
            for room_nid, timeline in found.items():
                self._timelines.remember(await self._rooms.by_nid(room_nid), timeline)
        events = [stored for timeline in found.values() for stored in timeline.events]
        await self._rooms.cache.get(set(_referred(events)))
        heroes = await self._heroes([head for _, head in wanted])
        if query.lazy_members:
            await self._know(
                {nid: senders(timeline.events).union(heroes[nid] or ()) for nid, timeline in found.items()}
            )
        return {room_nid: Ahead(timeline, heroes[room_nid]) for room_nid, timeline in found.items()}

    async def heroes(self, head: RoomRow) -> tuple[str, ...] | None:
        """Of one room. At most one statement."""
        return (await self._heroes([head]))[head.room_nid]

    async def _heroes(self, heads: Sequence[RoomRow]) -> dict[int, tuple[str, ...] | None]:
        """At most one statement for small rooms together, and one for each large one."""
        found: dict[int, tuple[str, ...] | None] = {}
        small = []
        for head in heads:
            room = await self._rooms.by_nid(head.room_nid)
            if names_room(room.state):
                found[head.room_nid] = None
            elif room.joined_members + room.invited_members > SMALL:
                found |= await self._first_members([head.room_nid], HEROES + 1)
            else:
                small.append(head.room_nid)
        if small:
            found |= await self._first_members(small, SMALL * len(small))
        return found

    async def _first_members(self, room_nids: Sequence[int], limit: int) -> dict[int, tuple[str, ...]]:
        rows = await store.first_members(self._rooms.db, [known_members(room_nid) for room_nid in room_nids], limit)
        found: dict[int, list[str]] = {room_nid: [] for room_nid in room_nids}
        for stored in await self._rooms.cache.from_rows(rows):
            found[stored.room_nid].append(stored.event.state_key or "")
        return {room_nid: tuple(members[: HEROES + 1]) for room_nid, members in found.items()}

    async def _know(self, members: Mapping[int, Collection[str]]) -> None:
        wanted: dict[int, Collection[str]] = {}
        everybody: set[str] = set()
        for room_nid, user_ids in members.items():
            wanted[room_nid] = user_ids
            everybody.update(user_ids)
            if len(wanted) * len(everybody) >= LOOK_UPS:
                await self._rooms.know_members(wanted)
                wanted = {}
                everybody = set()
        await self._rooms.know_members(wanted)


def _referred(events: Sequence[StoredEvent]) -> Iterator[int]:
    for stored in events:
        if stored.replaces is not None:
            yield stored.replaces
        if stored.redacted_by is not None:
            yield stored.redacted_by
