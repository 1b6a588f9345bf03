"""The newest part of a room's timeline, as `/sync` shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.proto.filters import EventFilter
from ranvier.rooms.related_by import keep_related
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import FIRST_POS, StoredEvent, timeline_rows
from ranvier.sync.recent import RecentEvents

PAGE: Final = 100
PAGES: Final = 20
"""How far a filter is followed back through events that it does not want."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events, oldest first."""

    events: list[StoredEvent]
    limited: bool
    """Whether there are more between the asked start and the first of them."""


class Timelines:
    """Reads timelines: from memory if it reaches back far enough, else from the database."""

    def __init__(self, *, rooms: Rooms, recent: RecentEvents) -> None:
        self._rooms = rooms
        self._recent = recent

    async def newest(
        self,
        room_nid: int,
        *,
        after: int,
        upto: int,
        limit: int,
        wanted: EventFilter,
        ignored: frozenset[str] = frozenset(),
    ) -> Timeline:
        """At most `limit` events with `after < pos <= upto`, the newest; no statement if memory has them.

        What `ignored` users said is left out, but not what they changed in the room's state.
        """
        if limit <= 0:
            return Timeline([], limited=after < upto)
        known = self._recent.between(room_nid, after, upto)
        if known is not None:
            events = await self._wanted(known, wanted, ignored)
            return Timeline(events[-limit:], limited=len(events) > limit)
        everything = wanted.is_open and not ignored
        last = self._recent.last(room_nid, upto, limit + 1) if everything else None
        if last is not None and (last[0].pos or 0) > after:
            return Timeline(last[1:], limited=True)
        events = []
        before = upto + 1
        page = limit + 1 if everything else max(limit + 1, PAGE)
        for _ in range(PAGES):
            rows = await timeline_rows(self._rooms.db, room_nid, after=after, before=before, limit=page, backwards=True)
            found = await self._rooms.cache.from_rows(rows)
            events += await self._wanted(found, wanted, ignored)
            if len(events) > limit or len(rows) < page:
                break
            before = rows[-1][2]
        return Timeline(events[:limit][::-1], limited=len(events) > limit)

    def remember(self, room: Room, timeline: Timeline) -> None:
        """A room's newest events, all that were sent, have been read."""
        events = timeline.events
        if events and room.idle and events[-1].pos == room.last_pos:
            after = (events[0].pos or 0) - 1 if timeline.limited else FIRST_POS
            self._recent.begin(room.room_nid, events, after)

    async def _wanted(
        self, events: Sequence[StoredEvent], wanted: EventFilter, ignored: frozenset[str]
    ) -> list[StoredEvent]:
        if wanted.is_open and not ignored:
            return list(events)
        chosen = [stored for stored in events if _is_wanted(stored, wanted, ignored)]
        return list(await keep_related(self._rooms.db, chosen, wanted))

    async def first_after(self, room_nid: int, *, after: int, upto: int) -> StoredEvent | None:
        """The oldest event with `after < pos <= upto`. At most one statement."""
        known = self._recent.between(room_nid, after, upto)
        if known is not None:
            return known[0] if known else None
        rows = await timeline_rows(self._rooms.db, room_nid, after=after, before=upto + 1, limit=1, backwards=False)
        events = await self._rooms.cache.from_rows(rows)
        return events[0] if events else None


def _is_wanted(stored: StoredEvent, wanted: EventFilter, ignored: frozenset[str]) -> bool:
    event = stored.event
    return wanted.allows(event) and (event.sender not in ignored or event.state_key is not None)


def unbroken(events: Sequence[StoredEvent], visible: Sequence[StoredEvent]) -> list[StoredEvent]:
    """The end of `events` in which all are `visible`.

    A timeline with a hole would not tell of the state that was set in it.
    """
    seen = {stored.event_nid for stored in visible}
    shown: list[StoredEvent] = []
    for stored in reversed(events):
        if stored.event_nid not in seen:
            break
        shown.append(stored)
    return shown[::-1]
