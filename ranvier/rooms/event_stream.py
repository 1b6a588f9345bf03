"""New events as they come, of one room or of all: the way from before `/sync`, and the way to look into a room.

Spec: client-server API, `GET /events` (deprecated), and the same for room previews.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.ports import Clock
from ranvier.rooms.append import Append, Appender
from ranvier.rooms.history import History
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_scan import Span, TimelineScan
from ranvier.rooms.timeline_token import timeline_token
from ranvier.store import rooms as store
from ranvier.store.events import POS_BITS, StoredEvent
from ranvier.store.rooms import JOIN
from ranvier.users.requester import Requester

LIMIT: Final = 100


@dataclass(slots=True, eq=False)
class _Waiter:
    user_id: str
    room_nids: frozenset[int]
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Events in order, and where to go on."""

    start: str
    end: str
    chunk: list[bytes]


class EventStream:
    """Reads what is new, or waits for it. `on_commit` is a listener of the appender."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        appender: Appender,
        history: History,
        timeline: TimelineScan,
        messages: Messages,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._appender = appender
        self._history = history
        self._timeline = timeline
        self._messages = messages
        self._clock = clock
        self._waiters: set[_Waiter] = set()

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Wake those whom it concerns."""
        for waiter in self._waiters:
            for append in batch:
                if append.room.room_nid in waiter.room_nids or any(
                    change.user_id == waiter.user_id for change in append.members
                ):
                    waiter.woken.set()

    async def events(
        self, requester: Requester, *, room_id: str | None, since: int | None, timeout_ms: int
    ) -> StreamPage:
        """Events after the position `since` (`None`: from now on) in a room, or in all that the user is in.

        Waits up to `timeout_ms` for one that they may see. Raises 403 for a room that is not theirs to look into.
        """
        start = (self._appender.committed_pos + 1 << POS_BITS) - 1 if since is None else since
        deadline = self._clock.monotonic() + timeout_ms / 1000
        while True:
            waiter = _Waiter(requester.user_id, await self._room_nids(requester, room_id))
            self._waiters.add(waiter)
            try:
                reached, chunk = await self._read(requester, waiter.room_nids, start)
                left_s = deadline - self._clock.monotonic()
                if chunk or left_s <= 0:
                    return StreamPage(timeline_token(start), timeline_token(reached), chunk)
                async with asyncio.timeout(left_s):
                    await waiter.woken.wait()
            except TimeoutError:
                pass
            finally:
                self._waiters.discard(waiter)

    async def _room_nids(self, requester: Requester, room_id: str | None) -> frozenset[int]:
        if room_id is not None:
            return frozenset(((await self._history.viewer(requester.user_id, room_id)).room.room_nid,))
        user_nid = await self._rooms.keys.find_user(self._rooms.db, requester.user_id)
        mine = [] if user_nid is None else await store.memberships_of(self._rooms.db, user_nid)
        return frozenset(entry.room_nid for entry in mine if entry.membership == JOIN)

    async def _read(self, requester: Requester, room_nids: frozenset[int], start: int) -> tuple[int, list[bytes]]:
        """How far has been read, and the events."""
        upto = (self._appender.committed_pos + 1 << POS_BITS) - 1
        heads = await store.heads(self._rooms.db, room_nids) if room_nids else []
        served: list[tuple[StoredEvent, bytes]] = []
        for head in heads:
            if head.last_pos > start:
                viewer = await self._history.viewer(requester.user_id, head.room_id)
                span = Span(backwards=False, start=start, until=upto)
                scan = await self._timeline.scan(viewer, span, limit=LIMIT)
                if not scan.exhausted:
                    upto = min(upto, scan.reached)
                served += zip(scan.found, await self._messages.serve(requester, viewer, scan.found), strict=True)
        placed = sorted(served, key=lambda entry: entry[0].pos or 0)
        return max(start, upto), [event for stored, event in placed if (stored.pos or 0) <= upto]
