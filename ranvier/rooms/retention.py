"""Messages that have outlived their time are deleted: jobs, each for some of the rooms. Manual: "Message retention policies"."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

from ranvier.config.retention_sections import PurgeJob
from ranvier.db.engine import DatabaseError
from ranvier.ports import Clock
from ranvier.rooms.lifetimes import RETENTION, Lifetimes
from ranvier.rooms.purge_history import Doomed, HistoryPurge
from ranvier.rooms.rooms import Rooms
from ranvier.store import history_purge, room_policies
from ranvier.store.events import FIRST_POS

logger = logging.getLogger(__name__)

ROOMS: Final = 200
"""So many are looked at in one go."""
FIRST_S: Final = 60.0
"""When the jobs begin after a start: then the server has other things to do."""
SHORTEST_S: Final = 1.0
_END: Final = 1 << 62


class MessageRetention:
    """Deletes what has outlived its time."""

    def __init__(self, *, rooms: Rooms, lifetimes: Lifetimes, purge: HistoryPurge, clock: Clock) -> None:
        self._rooms = rooms
        self._lifetimes = lifetimes
        self._purge = purge
        self._clock = clock

    def runs(self, jobs: tuple[PurgeJob, ...]) -> list[Callable[[], Awaitable[None]]]:
        """What runs each of these jobs at its times, until cancelled."""
        return [partial(self._run, job) for job in jobs]

    async def delete(self, job: PurgeJob) -> int:
        """Do one job now; how many messages were deleted. A room that the database refuses waits for the next time."""
        deleted = 0
        async for room_nid, room_id, lifetime in self._concerned(job):
            try:
                deleted += await self._delete_in(room_nid, room_id, self._clock.now_ms() - lifetime)
            except DatabaseError:
                logger.exception("Could not delete what has outlived its time in %s", room_id)
        return deleted

    async def _delete_in(self, room_nid: int, room_id: str, before_ts: int) -> int:
        """One statement, and no look at the room itself, where there is nothing to do."""
        first = await history_purge.messages(self._rooms.db, room_nid, after=FIRST_POS, before=_END, limit=1)
        if not first or first[0].origin_server_ts >= before_ts:
            return 0
        return await self._purge.purge(room_id, Doomed(before=_END, older_than_ts=before_ts, local_too=True))

    async def _concerned(self, job: PurgeJob) -> AsyncIterator[tuple[int, str, int]]:
        """Number, id and lifetime of the rooms that a job is for."""
        key_id = await self._rooms.keys.find(self._rooms.db, RETENTION) or 0
        after = 0
        while page := await room_policies.page(self._rooms.db, key_id, after=after, limit=ROOMS):
            after = page[-1][0]
            policies = await self._rooms.cache.get([nid for _, _, nid in page if nid is not None])
            for room_nid, room_id, nid in page:
                policy = None if nid is None else policies.get(nid)
                lifetime = self._lifetimes.of_policy({} if policy is None else policy.event.content)
                if lifetime is not None and job.concerns(lifetime):
                    yield room_nid, room_id, lifetime
            await self._clock.sleep(0)  # Reading may not have let others go on.

    async def _run(self, job: PurgeJob) -> None:
        interval_s = max(SHORTEST_S, job.interval_ms / 1000)
        pause_s = min(FIRST_S, interval_s)
        while True:
            await self._clock.sleep(pause_s)
            try:
                deleted = await self.delete(job)
            except DatabaseError:
                logger.exception("Could not look for messages that have outlived their time")
            else:
                if deleted:
                    logger.info("Deleted %d messages that had outlived their time", deleted)
            pause_s = interval_s
