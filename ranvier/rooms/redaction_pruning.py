"""What redacted events said is deleted some time after their redaction. Configuration: `redaction_retention_period`.

Nobody has been shown it since; it is kept for a while for administrators who look into a quarrel.
"""

import logging
from itertools import count
from typing import Final

from ranvier.db.engine import DatabaseError
from ranvier.ports import Clock
from ranvier.rooms.rooms import Rooms
from ranvier.store import unpruned as store

logger = logging.getLogger(__name__)

EVERY_S: Final = 300.0
PORTION: Final = 200
THOROUGH: Final = 288
"""Every so many looks, once a day, all redactions are looked at, and not only the oldest."""


class RedactionPruning:
    """Deletes what redacted events said, when their redaction is `after_ms` ago."""

    def __init__(self, *, rooms: Rooms, clock: Clock, after_ms: int) -> None:
        self._rooms = rooms
        self._clock = clock
        self._after_ms = after_ms

    async def run(self) -> None:
        """Look every few minutes, until cancelled."""
        for look in count():
            await self._clock.sleep(EVERY_S)
            try:
                await self.prune(thorough=look % THOROUGH == 0)
            except DatabaseError:
                logger.exception("Could not delete what redacted events said")

    async def prune(self, *, thorough: bool = True) -> int:
        """Delete what is due by now; of how many events.

        Redactions are looked at in the order in which they came, which is nearly that of the times they bear. Unless it is
        to be `thorough`, the first portion in which nothing is due is the last.
        """
        before_ts = self._clock.now_ms() - self._after_ms
        pruned = 0
        after = (0, 0)
        while page := await store.page(self._rooms.db, after, limit=PORTION):
            after = page[-1]
            redactions = await self._rooms.cache.get({by for by, _ in page})
            # A redaction that is not here any more was deleted because it was old.
            due = [
                nid for by, nid in page if by not in redactions or redactions[by].event.origin_server_ts <= before_ts
            ]
            targets = await self._rooms.cache.get(due)
            # In memory they are pruned already.
            rows = [(nid, stored.event.json) for nid, stored in targets.items() if stored.redacted_by is not None]
            if rows:
                async with self._rooms.db.write() as tx:
                    await store.prune(tx, rows)
            pruned += len(rows)
            if not due and not thorough:
                break
            await self._clock.sleep(0)  # Others write, too.
        return pruned
