"""Rooms that everybody of this server has forgotten are deleted after a while.

Configuration: `forgotten_room_retention_period`.
"""

import logging
from typing import Final

import msgspec

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.rooms.delete_room import DELETE_ROOM, Shutdown
from ranvier.store import forgotten_rooms as store
from ranvier.users.scheduled_tasks import ScheduledTasks

logger = logging.getLogger(__name__)

EVERY_S: Final = 1800.0


class ForgottenRooms:
    """Deletes rooms that have been forgotten for `after_ms`."""

    def __init__(self, *, db: Database, clock: Clock, tasks: ScheduledTasks, after_ms: int) -> None:
        self._db = db
        self._clock = clock
        self._tasks = tasks
        self._after_ms = after_ms

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.look()
            except DatabaseError:
                logger.exception("Could not look for forgotten rooms")

    async def look(self) -> list[str]:
        """Note what has been forgotten, and begin to delete what has been so for long; the ids of those."""
        forgotten, known = await store.now(self._db), await store.known(self._db)
        now = self._clock.now_ms()
        new, again = forgotten - known.keys(), known.keys() - forgotten
        if new or again:
            async with self._db.write() as tx:
                await store.note(tx, new, now)
                await store.drop(tx, again)
        due = [nid for nid in forgotten if known.get(nid, now) <= now - self._after_ms]
        begun = []
        for room_id in await store.ids(self._db, due) if due else ():
            under_way = await self._tasks.all(
                actions=[DELETE_ROOM], resource_id=room_id, statuses=["scheduled", "active"]
            )
            if not under_way:
                await self._tasks.schedule(DELETE_ROOM, resource_id=room_id, params=msgspec.to_builtins(Shutdown()))
                begun.append(room_id)
        return begun
