"""Deleting old messages of a room: their rows, and what is in memory of them.

Manual: "Purge History API", "Message retention policies". State stays, for what is true in the room hangs on it; so do the
room's ends, to which others' events will refer, and its last message. In portions, each a transaction under the room's
lock; what has been begun again finds less to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ranvier.db.engine import Tx
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.children import Children
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import history_purge as store
from ranvier.store.events import FIRST_POS
from ranvier.store.history_purge import Message

PORTION: Final = 250
"""Messages looked at in one transaction: some milliseconds, in which nobody else is served."""


Forget = Callable[[int, int], object]
"""Forgets what is in memory of a room up to a position: `(room_nid, upto_pos)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """Which messages of a room are to be deleted."""

    before: int
    """Those in front of this position,"""
    older_than_ts: int | None = None
    """sent before this time (`None`: whenever),"""
    local_too: bool
    """and by whom: also by users of this server?"""


class HistoryPurge:
    """Deletes messages."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        children: Children,
        clock: Clock,
        server_name: str,
        forget: Sequence[Forget],
    ) -> None:
        """`forget` are told when something is gone."""
        self._rooms = rooms
        self._children = children
        self._clock = clock
        self._server_name = server_name
        self._told = forget

    async def purge(self, room_id: str, doomed: Doomed) -> int:
        """Delete; how many messages. A room that is not here has none, nor has one that is not fully known yet."""
        return await self._along(room_id, doomed, unplaced=False) + await self._along(room_id, doomed, unplaced=True)

    async def _along(self, room_id: str, doomed: Doomed, *, unplaced: bool) -> int:
        """Delete along the timeline, or along what stands in none."""
        deleted = 0
        after: Message | None = None
        while True:
            room = await self._rooms.find(room_id)
            if room is None or room.partial is not None:
                return deleted
            if unplaced and doomed.older_than_ts is None:
                # They have no place before or behind an event: those go that are as old as what is gone.
                doomed = replace(doomed, older_than_ts=self._rooms.purged.upto_ts(room.room_nid) + 1)
            async with room.lock:
                if room.spoilt:
                    continue
                await room.settled()
                found = await self._read(room.room_nid, after, doomed, unplaced=unplaced)
                deleted += await self._delete_of(room, found, doomed)
            if len(found) < PORTION or (not unplaced and _all_young(found, doomed)):
                return deleted
            after = found[-1]
            await self._clock.sleep(0)  # Others write, too.

    async def _read(self, room_nid: int, after: Message | None, doomed: Doomed, *, unplaced: bool) -> list[Message]:
        db = self._rooms.db
        if not unplaced:
            after_pos = FIRST_POS if after is None else after.pos
            return await store.messages(db, room_nid, after=after_pos, before=doomed.before, limit=PORTION)
        return await store.unplaced(db, room_nid, after_nid=0 if after is None else after.event_nid, limit=PORTION)

    async def _delete_of(self, room: Room, found: Sequence[Message], doomed: Doomed) -> int:
        """Delete what is meant of these messages; how many."""
        kept = {stored.event_nid for stored in room.extremities}
        kept |= {await store.last_message(self._rooms.db, room.room_nid) or 0}
        kept |= await store.waiting_redactions(self._rooms.db, room.room_nid)
        gone = [message for message in found if message.event_nid not in kept and self._is_meant(message, doomed)]
        if gone:
            upto_ts = min(self._clock.now_ms(), max(message.origin_server_ts for message in gone))
            async with self._rooms.db.write() as tx:
                await self._delete(tx, room.room_nid, gone, upto_ts)
            self._rooms.purged.noted(room.room_nid, upto_ts=upto_ts, upto_pos=gone[-1].pos)
            self._forget(room.room_nid, gone)
        return len(gone)

    def _is_meant(self, message: Message, doomed: Doomed) -> bool:
        if doomed.older_than_ts is not None and message.origin_server_ts >= doomed.older_than_ts:
            return False
        return doomed.local_too or domain_of(message.sender) != self._server_name

    async def _delete(self, tx: Tx, room_nid: int, gone: Sequence[Message], upto_ts: int) -> None:
        await self._rooms.purged.note(tx, room_nid, upto_ts=upto_ts, upto_pos=gone[-1].pos)
        await store.close_gaps(tx, room_nid, upto=gone[-1].pos)
        await store.delete(tx, room_nid, gone)

    def _forget(self, room_nid: int, gone: Sequence[Message]) -> None:
        for message in gone:
            self._rooms.cache.drop(message.event_nid)
        self._children.forget({message.relates_to for message in gone if message.relates_to is not None})
        for forget in self._told:
            forget(room_nid, gone[-1].pos)


def _all_young(found: Sequence[Message], doomed: Doomed) -> bool:
    """Whether those that come later need not be looked at: a timeline is nearly in the order of time."""
    before = doomed.older_than_ts
    return before is not None and all(message.origin_server_ts >= before for message in found)
