"""The event of a room that is nearest to a moment.

Spec: client-server API, `GET /rooms/{roomId}/timestamp_to_event`. There is no index by `origin_server_ts`: every event
would have to be put into it, for a question that is hardly ever asked. The timeline is nearly in the order of time, so
the moment is found by halving it (about a dozen point reads), and the exact event among those around that place:
`WINDOW` events to either side make up for clocks that differ.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ranvier.proto.errors import not_found
from ranvier.rooms.history import History
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_token import START
from ranvier.store import backward_extremities
from ranvier.store.events import POS_BITS, StoredEvent, timeline_rows
from ranvier.users.requester import Requester

WINDOW: Final = 100
CLOSE: Final = WINDOW // 2 << POS_BITS
"""Positions this near to each other mostly have few events between them."""
SEEN_THROUGH: Final = 20
"""How many windows are looked through for an event that the asker may see."""

Visible = Callable[[Sequence[StoredEvent]], Awaitable[list[StoredEvent]]]
"""Those of some events that the asker may see, in the same order."""


@dataclass(frozen=True, slots=True)
class Moment:
    """From when, and in which direction."""

    ts: int
    forwards: bool


class RemoteMoments(Protocol):
    """Asks other servers. Raises nothing because they do not answer."""

    def may_help(self, room: Room) -> bool:
        """Whether something may be missing in this room."""
        ...

    async def fetch(self, room: Room, moment: Moment, *, nearest_ts: int | None, below: int) -> bool:
        """Take in the event nearest to the moment if that is nearer than `nearest_ts`, at a place below `below`.

        Whether one has come.
        """
        ...


class NobodyElse:
    """There are no other servers."""

    def may_help(self, room: Room) -> bool:
        return False

    async def fetch(self, room: Room, moment: Moment, *, nearest_ts: int | None, below: int) -> bool:
        return False


class TimestampToEvent:
    """Finds events by time."""

    def __init__(self, *, rooms: Rooms, history: History, remote: RemoteMoments | None = None) -> None:
        self._rooms = rooms
        self._history = history
        self.remote: RemoteMoments = remote or NobodyElse()

    async def find(self, requester: Requester, room_id: str, ts: int, *, forwards: bool) -> StoredEvent:
        """The nearest event at `ts` or after it (or before it), of those that the user may see. Raises 403, 404.

        Other servers are asked if our own history has a gap where it would be.
        """
        viewer = await self._history.viewer(requester.user_id, room_id)
        last = viewer.room.last_pos if viewer.horizon is None else viewer.horizon

        async def visible(events: Sequence[StoredEvent]) -> list[StoredEvent]:
            return await self._history.visible(viewer, events)

        room = viewer.room
        found = await self.nearest(room, ts, forwards=forwards, last=last, visible=visible)
        if self.remote.may_help(room):
            below = await self._gap_beside(room, found, last, forwards=forwards)
            nearest_ts = None if found is None else found.event.origin_server_ts
            moment = Moment(ts, forwards)
            if below is not None and await self.remote.fetch(room, moment, nearest_ts=nearest_ts, below=below):
                found = await self.nearest(room, ts, forwards=forwards, last=last, visible=visible)
        if found is None:
            raise not_found(f"There is no event {'after' if forwards else 'before'} this moment")
        return found

    async def nearest(self, room: Room, ts: int, *, forwards: bool, last: int, visible: Visible) -> StoredEvent | None:
        """The nearest event up to the position `last`, of those that are `visible`."""
        place = await self._halve(room, ts, last)
        around = [
            *reversed(await self._read(room, START, place, backwards=True)),
            *await self._read(room, place - 1, last + 1, backwards=False),
        ]
        found = await _nearest(around, ts, forwards=forwards, visible=visible)
        # Nothing there that fits and may be seen: further on in the direction asked for.
        for _ in range(SEEN_THROUGH):
            if found is not None or not around:
                break
            edge = around[-1 if forwards else 0].pos or 0
            low, high = (edge, last + 1) if forwards else (START, edge)
            around = await self._read(room, low, high, backwards=not forwards)
            if not forwards:
                around.reverse()
            found = await _nearest(around, ts, forwards=forwards, visible=visible)
        return found

    async def _gap_beside(self, room: Room, found: StoredEvent | None, last: int, *, forwards: bool) -> int | None:
        """The position of the event before which a nearer one may be missing, if there is such a gap."""
        upper = found
        if not forwards:
            after = START if found is None or found.pos is None else found.pos
            upper = next(iter(await self._read(room, after, last + 1, backwards=False, limit=1)), None)
        if upper is None or upper.pos is None:
            return None
        gaps = await backward_extremities.between(self._rooms.db, room.room_nid, upper.pos, upper.pos, 1)
        return upper.pos if gaps else None

    async def _halve(self, room: Room, ts: int, last: int) -> int:
        """The position of the first event that is not before `ts`, if the timeline is in the order of time."""
        first = await self._read(room, START, last + 1, backwards=False, limit=1)
        if not first:
            return last + 1
        low, high = first[0].pos or 0, last + 1
        while low < high:
            if high - low <= CLOSE and len(await self._read(room, low - 1, high, backwards=False)) < WINDOW:
                break
            middle = (low + high) // 2
            found = await self._read(room, middle - 1, high, backwards=False, limit=1)
            if not found or found[0].event.origin_server_ts >= ts:
                high = middle
            else:
                low = (found[0].pos or 0) + 1
        return low

    async def _read(
        self, room: Room, after: int, before: int, *, backwards: bool, limit: int = WINDOW
    ) -> list[StoredEvent]:
        rows = await timeline_rows(
            self._rooms.db, room.room_nid, after=after, before=before, limit=limit, backwards=backwards
        )
        return await self._rooms.cache.from_rows(rows)


async def _nearest(events: Sequence[StoredEvent], ts: int, *, forwards: bool, visible: Visible) -> StoredEvent | None:
    def fits(stored: StoredEvent) -> bool:
        sent = stored.event.origin_server_ts
        return sent >= ts if forwards else sent <= ts

    seen = await visible([stored for stored in events if fits(stored)])
    if not seen:
        return None
    # Of those that are equally near the first one met in the direction asked for.
    candidates = seen if forwards else list(reversed(seen))
    return min(candidates, key=lambda stored: abs(stored.event.origin_server_ts - ts))
