"""Reading what relates to an event.

Spec: client-server API, "Relationships API". Children of ignored users, and those that the asker may not see, are left
out; redacted ones relate to nothing any more.
"""

from dataclasses import dataclass
from typing import Final

from ranvier.proto.errors import MatrixError
from ranvier.rooms.history import History, Viewer, event_not_found
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_scan import BATCH, LIMIT, SCANNED, Span
from ranvier.rooms.timeline_token import timeline_token
from ranvier.store import relations as store
from ranvier.store.events import StoredEvent
from ranvier.store.relations import ChildChoice
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.requester import Requester

NEWEST: Final = (1 << 62) - 1
"""Behind every event."""


@dataclass(frozen=True, slots=True)
class ChildrenPage:
    """Children of an event."""

    chunk: list[bytes]
    next_batch: str | None
    """Where to go on; `None` if there are no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which children are asked for, and from where on. Positions stand behind the event of that number."""

    rel_type: str | None
    type: str | None
    recurse: bool
    backwards: bool
    since: int | None
    until: int | None
    limit: int


class Relations:
    """Reads children."""

    def __init__(self, *, rooms: Rooms, history: History, messages: Messages, ignored_users: IgnoredUsers) -> None:
        self._rooms = rooms
        self._history = history
        self._messages = messages
        self._ignored_users = ignored_users

    async def children(self, requester: Requester, room_id: str, parent_id: str, wanted: Wanted) -> ChildrenPage:
        """A page of an event's children. Raises 404 `M_NOT_FOUND` if the asker may not see the event.

        In most cases one statement for the children, and those that `Serving` needs.
        """
        try:
            viewer = await self._history.viewer(requester.user_id, room_id)
        except MatrixError as error:
            raise event_not_found() from error
        await self._history.require(viewer, (await self._rooms.cache.by_id([parent_id])).get(parent_id))
        names = (wanted.rel_type or "", wanted.type or "")
        if any("\0" in name for name in names):
            return ChildrenPage([], None)
        choice = ChildChoice(
            room_nid=viewer.room.room_nid,
            parent_id=parent_id,
            rel_type=wanted.rel_type,
            type=wanted.type,
            recurse=wanted.recurse,
        )
        found, reached = await self._scan(viewer, choice, wanted)
        chunk = await self._messages.serve(requester, viewer, found)
        return ChildrenPage(chunk, None if reached is None else timeline_token(reached))

    async def _scan(self, viewer: Viewer, choice: ChildChoice, wanted: Wanted) -> tuple[list[StoredEvent], int | None]:
        """Children in the order asked for, and where to go on."""
        ignored = await self._ignored_users.of(viewer.user_id)
        limit = min(wanted.limit, LIMIT)
        low, high = _bounds(wanted, viewer)
        found: list[StoredEvent] = []
        scanned = 0
        while True:
            batch = max(limit, BATCH) if scanned else limit
            rows = await store.children(
                self._rooms.db, choice, after=low, before=high, limit=batch + 1, backwards=wanted.backwards
            )
            events = await self._rooms.cache.from_rows(rows[:batch])
            scanned += len(events)
            shown = await self._history.visible(viewer, events)
            found += [stored for stored in shown if _is_shown(stored, ignored)][: limit - len(found)]
            full = len(found) >= limit
            last = found[-1] if full else events[-1] if events else None
            if last is None or (len(rows) <= batch and last is events[-1]):
                return found, None
            pos = last.pos or 0
            if full or scanned >= SCANNED:
                return found, pos - 1 if wanted.backwards else pos
            low, high = (low, pos) if wanted.backwards else (pos, high)


def _is_shown(stored: StoredEvent, ignored: frozenset[str]) -> bool:
    """State is shown whoever set it."""
    return stored.event.state_key is not None or stored.event.sender not in ignored


def _bounds(wanted: Wanted, viewer: Viewer) -> tuple[int, int]:
    """Positions between which the children stand."""
    start = wanted.since
    if start is None:
        start = NEWEST if wanted.backwards else -NEWEST
    low, high = Span(backwards=wanted.backwards, start=start, until=wanted.until).bounds
    return low, high if viewer.horizon is None else min(high, viewer.horizon + 1)
