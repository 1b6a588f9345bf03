"""Reading along a room's timeline for what one user may see and wants.

Spec: client-server API, "Filtering", "Room History Visibility".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ranvier.db.engine import Row
from ranvier.proto.events import Event
from ranvier.proto.filters import NO_EVENT_FILTER, RoomEventFilter
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.related_by import keep_related
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_token import START
from ranvier.store.events import StoredEvent, timeline_rows
from ranvier.users.ignored_users import IgnoredUsers

LIMIT: Final = 1000
"""The most events in an answer."""
SCANNED: Final = 2000
"""After so many events that the asker may not see or does not want, the scan ends early, so that it can be taken up."""
FETCHES: Final = 4
"""How often at most other servers are asked for what is missing, before the answer is what there is."""
BATCH: Final = 100
"""How many events are read at least when those read first were not enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where to read. Positions stand behind the event of that number."""

    backwards: bool
    start: int
    until: int | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """The positions of all its events are greater than the first number and smaller than the second."""
        if self.backwards:
            return (START if self.until is None else self.until), self.start + 1
        return self.start, (-START if self.until is None else self.until + 1)


@dataclass(slots=True, kw_only=True)
class Scan:
    """What was found, in reading order, and how far the timeline has been read."""

    reached: int
    """Where to go on."""
    exhausted: bool
    """Whether there is nothing more to be seen."""
    found: list[StoredEvent] = field(default_factory=list)
    first: int | None = None
    """The position of the first event that was read, shown or not."""


class Elsewhere(Protocol):
    """History that other servers have and this one has not."""

    def may_have(self, room_nid: int) -> bool:
        """Whether something may be missing in this room's timeline."""
        ...

    async def fetch(self, room: Room, *, low: int, high: int) -> bool:
        """Fetch what is missing below an event at `low <= pos <= high`; whether anything has come."""
        ...


class Nowhere:
    """There are no other servers."""

    def may_have(self, room_nid: int) -> bool:
        """Never."""
        return False

    async def fetch(self, room: Room, *, low: int, high: int) -> bool:
        """Nothing comes."""
        return False


class TimelineScan:
    """Reads timelines."""

    def __init__(self, *, rooms: Rooms, history: History, ignored_users: IgnoredUsers) -> None:
        self.elsewhere: Elsewhere = Nowhere()
        """Where to ask for what is missing."""
        self._rooms = rooms
        self._history = history
        self._ignored_users = ignored_users

    async def scan(self, viewer: Viewer, span: Span, *, limit: int, choice: RoomEventFilter = NO_EVENT_FILTER) -> Scan:
        """At most `limit` events that the viewer may see and `choice` lets pass. One statement in most cases.

        What users say whom the viewer ignores is left out.
        """
        ignored = await self._ignored_users.of(viewer.user_id)
        low, high = span.bounds
        if viewer.horizon is not None:
            high = min(high, viewer.horizon + 1)
        limit = min(limit, LIMIT if choice.limit is None else choice.limit, LIMIT)
        scan = Scan(reached=span.start, exhausted=not choice.allows_room(viewer.room.room_id))
        scanned = 0
        while len(scan.found) < limit and scanned < SCANNED and not scan.exhausted:
            wanted = max(limit, BATCH) if scanned else limit
            rows = await self._rows(viewer.room, low, high, wanted + 1, backwards=span.backwards)
            events = await self._rooms.cache.from_rows(rows[:wanted])
            scanned += len(events)
            chosen = [stored for stored in events if _is_chosen(stored.event, choice, ignored)]
            chosen = list(await keep_related(self._rooms.db, chosen, choice))
            scan.found += (await self._history.visible(viewer, chosen))[: limit - len(scan.found)]
            last = _go_on(scan, events, full=len(scan.found) == limit, more=len(rows) > wanted, span=span)
            low, high = (low, last) if span.backwards else (last, high)
        return scan

    async def _rows(self, room: Room, low: int, high: int, limit: int, *, backwards: bool) -> Sequence[Row]:
        """What is there; going back, other servers are asked for what is missing in it."""
        rows: Sequence[Row] = ()
        for _ in range(FETCHES):
            rows = await timeline_rows(
                self._rooms.db, room.room_nid, after=low, before=high, limit=limit, backwards=backwards
            )
            if not backwards or not self.elsewhere.may_have(room.room_nid):
                break
            lowest = rows[-1][2] if len(rows) == limit else low
            if not await self.elsewhere.fetch(room, low=lowest, high=high - 1):
                break
        return rows


def _is_chosen(event: Event, choice: RoomEventFilter, ignored: frozenset[str]) -> bool:
    return choice.allows(event) and (event.sender not in ignored or event.state_key is not None)


def _go_on(scan: Scan, events: list[StoredEvent], *, full: bool, more: bool, span: Span) -> int:
    """Note how far `events`, the ones read last, have led; the position of the last event that counts as read."""
    if not events:
        scan.exhausted = True
        return scan.reached
    last = scan.found[-1] if full else events[-1]
    # All of these were found by their positions.
    pos = last.pos or 0
    if scan.first is None:
        scan.first = events[0].pos
    scan.exhausted = not more and last is events[-1]
    scan.reached = pos - 1 if span.backwards else pos
    return pos
