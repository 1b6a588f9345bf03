"""Deleting a room that nobody of this server is in any more: every row, and what is in memory.

In portions, each a transaction; begun again after a restart it goes on where it was. From the first portion on the room is
one that this server knows nothing of, so that nobody reads what is half gone.
"""

from collections.abc import Callable

from ranvier.ports import Clock
from ranvier.rooms.append import Appender
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_purge as store
from ranvier.store import rooms as room_store


class RoomPurge:
    """Deletes rooms."""

    def __init__(self, *, rooms: Rooms, appender: Appender, clock: Clock) -> None:
        self._rooms = rooms
        self._appender = appender
        self._clock = clock
        self.forget: list[Callable[[int], None]] = []
        """Told the numbers of rooms that are gone, to forget what they keep of them in memory."""

    async def purge(self, room_id: str, *, told: Callable[[int], object] = int) -> int:
        """Delete the room; how many events of its timeline were deleted. Told how many they are now and then.

        Nobody may enter the room meanwhile: whoever asks for this sees to that.
        """
        found = await room_store.nid_of(self._rooms.db, room_id)
        if found is None:
            return 0
        room_nid = found[0]
        await self._hide(room_nid, room_id)
        deleted = 0
        while True:
            async with self._rooms.db.write() as tx:
                count = await store.delete_events(tx, room_nid)
            deleted += count
            if count < store.PORTION:
                break
            told(deleted)
            await self._clock.sleep(0)  # Others write, too.
        async with self._rooms.db.write() as tx:
            await store.finish(tx, room_nid)
        self._forget(room_nid)
        return deleted

    async def _hide(self, room_nid: int, room_id: str) -> None:
        room = await self._rooms.find(room_id)
        if room is None:  # Only heard of, or hidden before.
            await self._hide_rows(room_nid, room_id)
        else:
            async with room.lock:
                await room.settled()
                # Whoever waits for the lock finds no room here.
                room.spoilt = True
                await self._hide_rows(room_nid, room_id)
                if room.partial is not None:
                    self._rooms.partials.end(room.partial, full_since=None)
                self._rooms.drop(room)
        self._forget(room_nid)

    async def _hide_rows(self, room_nid: int, room_id: str) -> None:
        async with self._rooms.db.write() as tx:
            await store.hide(tx, room_nid, room_id, stream_pos=self._appender.stream_pos)

    def _forget(self, room_nid: int) -> None:
        self._rooms.cache.drop_room(room_nid)
        self._rooms.partials.forget(room_nid)
        for forget in self.forget:
            forget(room_nid)
