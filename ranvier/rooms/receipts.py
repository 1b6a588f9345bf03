"""Receipts: users say how far they have read.

Spec: client-server API, "Receipts". A user has one receipt for each kind and thread of a room, and it only moves forward.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from ranvier.db.engine import DatabaseError
from ranvier.ports import Clock
from ranvier.proto.errors import forbidden, invalid_param
from ranvier.proto.ids import is_event_id, is_room_id
from ranvier.rooms.history import event_not_found
from ranvier.rooms.receipt_writer import Also, ReceiptWriter
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.threads import Threads
from ranvier.store import receipts as store
from ranvier.store.events import StoredEvent
from ranvier.store.receipts import MAIN, UNTHREADED, Receipt
from ranvier.users.requester import Requester

USERS: Final = 20_000

RoomReceipts = dict[tuple[bool, str], Receipt]
"""A user's receipts in one room: by `Receipt.key`."""

_NONE: Final[Mapping[tuple[bool, str], Receipt]] = {}


class Receipts:
    """Checks receipts of local users, and remembers them for those who were active lately."""

    def __init__(self, *, rooms: Rooms, threads: Threads, writer: ReceiptWriter, clock: Clock) -> None:
        self._rooms = rooms
        self._threads = threads
        self._writer = writer
        self._clock = clock
        self._of_user: OrderedDict[int, dict[int, RoomReceipts]] = OrderedDict()

    async def room_of(self, requester: Requester, room_id: str) -> Room:
        """The room, if the requester is in it. Raises 403 `M_FORBIDDEN`."""
        room = await self._rooms.find(room_id) if is_room_id(room_id) else None
        if room is None or await self._rooms.membership(room, requester.user_id) != "join":
            raise forbidden("You are not in this room")
        return room

    async def event_of(self, room: Room, event_id: str) -> StoredEvent:
        """An event of the room's timeline. Raises 404 `M_NOT_FOUND`."""
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id) if is_event_id(event_id) else None
        if stored is None or stored.room_nid != room.room_nid or stored.pos is None:
            raise event_not_found()
        return stored

    async def drawn(
        self, requester: Requester, room: Room, event_id: str, *, is_private: bool, thread: str | None = None
    ) -> Receipt:
        """A receipt that is ready to be stored. Raises 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM` for a wrong thread."""
        stored = await self.event_of(room, event_id)
        if thread is not None:
            await self._check_thread(stored, thread)
        return Receipt(
            room_nid=room.room_nid,
            user_nid=await self._rooms.keys.intern(self._rooms.db, ("m.room.member", requester.user_id)),
            user_id=requester.user_id,
            pos=stored.pos or 0,
            ts=self._clock.now_ms(),
            is_private=is_private,
            thread=UNTHREADED if thread is None else thread,
            event_id=event_id,
        )

    async def store(self, receipts: Sequence[Receipt], also: Also | None = None) -> None:
        """Store the receipts of one user, those that lead forward, and what `also` does. One statement of its own.

        Without anything to store it is no transaction.
        """
        if receipts:
            # From here to the writer's queue nothing is awaited: what is noted first is written first.
            await self.of_user(receipts[0].user_nid, receipts[0].user_id)
        ahead = [receipt for receipt in receipts if self._note(receipt)]
        if not ahead and also is None:
            return
        try:
            await self._writer.write(ahead, also)
        except DatabaseError:
            for receipt in ahead:
                self._of_user.pop(receipt.user_nid, None)
            raise

    async def of_user(self, user_nid: int, user_id: str) -> Mapping[int, RoomReceipts]:
        """All receipts of a local user, by room. One statement the first time, then none; not to be changed."""
        known = self._of_user.get(user_nid)
        if known is None:
            loaded: dict[int, RoomReceipts] = {}
            for receipt in await store.of_user(self._rooms.db, user_nid, user_id):
                loaded.setdefault(receipt.room_nid, {})[receipt.key] = receipt
            # Whoever was faster has perhaps noted newer ones already.
            known = self._of_user.setdefault(user_nid, loaded)
            while len(self._of_user) > USERS:
                self._of_user.popitem(last=False)
        else:
            self._of_user.move_to_end(user_nid)
        return known

    async def in_room(self, user_nid: int, user_id: str, room_nid: int) -> Mapping[tuple[bool, str], Receipt]:
        """The receipts of a local user in one room."""
        return (await self.of_user(user_nid, user_id)).get(room_nid, _NONE)

    def _note(self, receipt: Receipt) -> bool:
        """Remember a receipt if it leads forward."""
        mine = self._of_user[receipt.user_nid].setdefault(receipt.room_nid, {})
        standing = mine.get(receipt.key)
        if standing is not None and standing.pos >= receipt.pos:
            return False
        mine[receipt.key] = receipt
        return True

    async def _check_thread(self, stored: StoredEvent, thread: str) -> None:
        if stored.redacted_by is not None or thread == stored.event.event_id:
            return  # A redacted event does not say any more which thread it was in.
        root = await self._threads.root_of(stored)
        if thread != (MAIN if root is None else root):
            raise invalid_param("thread_id: the event is not in this thread")
