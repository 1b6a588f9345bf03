"""Guests leave a room when it ceases to be open to them. Spec: client-server API, "Guest Access", "Server behaviour".

The server writes their leave events, after the change is durable; what a crash prevented is done at the next start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ranvier.db.engine import DatabaseError
from ranvier.proto.errors import MatrixError
from ranvier.rooms.append import Append
from ranvier.rooms.rooms import Rooms
from ranvier.store import guests
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

_TYPE = "m.room.guest_access"

Leave = Callable[[Requester, str], Awaitable[None]]


class GuestRemoval:
    """`on_commit` is a listener of the appender; `leave(requester, room_id)` takes a user out of a room."""

    def __init__(self, *, rooms: Rooms, leave: Leave) -> None:
        self._rooms = rooms
        self._leave = leave
        self._waiting: dict[int, None] = {}
        self._wake = asyncio.Event()

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Note the rooms whose guest access may have changed. A new room has no guests."""
        for append in batch:
            if append.new_room is None and _may_change(append):
                self._waiting[append.room.room_nid] = None
                self._wake.set()

    async def run(self) -> None:
        """Take guests out of rooms until cancelled."""
        for room_nid in await guests.rooms_to_leave(self._rooms.db):
            self._waiting[room_nid] = None
        while True:
            while self._waiting:
                room_nid = next(iter(self._waiting))
                del self._waiting[room_nid]
                try:
                    await self._clear(room_nid)
                except (MatrixError, DatabaseError):
                    logger.exception("Could not take the guests out of room %d", room_nid)
            self._wake.clear()
            await self._wake.wait()

    async def _clear(self, room_nid: int) -> None:
        """One statement where nobody has to leave."""
        room = await self._rooms.by_nid(room_nid)
        if room.content(_TYPE).get("guest_access") == "can_join":
            return
        for user_id in await guests.in_room(self._rooms.db, room_nid):
            await self._leave(Requester(user_id, None, None, is_guest=True), room.room_id)


def _may_change(append: Append) -> bool:
    """Whether the room has another rule for guests, by an event, a redaction, or branches that met."""
    if any(entry.stored.event.type == _TYPE for entry in append.events):
        return True
    if any(target.event.type == _TYPE for target, _ in append.redactions):
        return True
    return len(append.current) > len(append.events)
