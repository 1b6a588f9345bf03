"""When media were last asked for: in memory, and now and then written down in one transaction."""

import logging
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import media as store

logger = logging.getLogger(__name__)

FLUSH_EVERY_S: Final = 60.0


class Accesses:
    """What was asked for and has not been written yet."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[tuple[str, str], int] = {}

    def note(self, server_name: str, media_id: str) -> None:
        """Somebody has asked for it."""
        self._seen[server_name, media_id] = self._clock.now_ms()

    async def flush(self) -> None:
        """Write it down. One statement; if it fails, the next flush tries again."""
        if not self._seen:
            return
        seen, self._seen = self._seen, {}
        try:
            async with self._db.write() as tx:
                await store.touch(tx, [(server_name, media_id, ts) for (server_name, media_id), ts in seen.items()])
        except DatabaseError:
            logger.warning("Could not store when %d media were last asked for", len(seen), exc_info=True)
            self._seen = seen | self._seen

    async def run(self) -> None:
        """Flush every minute until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()
