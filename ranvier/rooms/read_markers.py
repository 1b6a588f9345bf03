"""Markers that clients set: receipts and the fully read marker, several at a time.

Spec: client-server API, "Receipts", "Read and unread markers". Whatever is set in one request is one transaction.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ranvier.db.engine import Tx
from ranvier.proto.errors import invalid_param
from ranvier.rooms.receipts import Receipts
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.users.account_data import AccountData, AccountDataChange
from ranvier.users.requester import Requester

READ: Final = "m.read"
READ_PRIVATE: Final = "m.read.private"
FULLY_READ: Final = "m.fully_read"
MARKERS: Final = frozenset({READ, READ_PRIVATE, FULLY_READ})


class _FullyRead(msgspec.Struct):
    event_id: str


class ReadMarkers:
    """Sets markers."""

    def __init__(self, *, rooms: Rooms, receipts: Receipts, account_data: AccountData) -> None:
        self._rooms = rooms
        self._receipts = receipts
        self._account_data = account_data

    async def set(
        self, requester: Requester, room_id: str, markers: Mapping[str, str], *, thread: str | None = None
    ) -> None:
        """Set markers: event ids by kind of marker (`MARKERS`). What would move back stays.

        One transaction, with one statement for receipts and one for the fully read marker. Raises 403 `M_FORBIDDEN` for
        who is not in the room, 404 `M_NOT_FOUND` for events that are not in it, 400 `M_INVALID_PARAM`.
        """
        if thread is not None and (not thread or FULLY_READ in markers):
            raise invalid_param("thread_id: must not be empty, and goes with receipts only")
        room = await self._receipts.room_of(requester, room_id)
        receipts = [
            await self._receipts.drawn(
                requester,
                room,
                event_id,
                # Nobody is to see shadow-banned users reading.
                is_private=kind == READ_PRIVATE or requester.shadow_banned,
                thread=thread,
            )
            for kind, event_id in markers.items()
            if kind != FULLY_READ
        ]
        fully_read = markers.get(FULLY_READ)
        if fully_read is None or not await self._moves_forward(requester, room, fully_read):
            await self._receipts.store(receipts)
            return
        position = self._account_data.positions.take()
        content = msgspec.json.encode(_FullyRead(fully_read))
        change = AccountDataChange(requester.user_id, room_id, FULLY_READ, content, position)

        async def save(tx: Tx) -> None:
            await self._account_data.save(tx, change)

        try:
            await self._receipts.store(receipts, save)
        finally:
            self._account_data.positions.close(position)
        self._account_data.announce(change)

    async def _moves_forward(self, requester: Requester, room: Room, event_id: str) -> bool:
        """Whether the event is after the present fully read marker. Raises 404 `M_NOT_FOUND`."""
        wanted = await self._receipts.event_of(room, event_id)
        content = await self._account_data.content(requester.user_id, room.room_id, FULLY_READ)
        if content is None:
            return True
        standing_id = msgspec.json.decode(content, type=_FullyRead).event_id
        standing = (await self._rooms.cache.by_id([standing_id])).get(standing_id)
        return standing is None or (standing.pos or 0) < (wanted.pos or 0)
