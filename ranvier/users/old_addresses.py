"""From where devices were seen is forgotten after a while. Configuration: `user_ips_max_age`."""

import logging
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import devices
from ranvier.users.last_seen import LastSeen

logger = logging.getLogger(__name__)

EVERY_S: Final = 3600.0


class OldAddresses:
    """Forgets addresses that were seen `after_ms` ago, with the programs that were seen there; not the times."""

    def __init__(self, *, db: Database, clock: Clock, last_seen: LastSeen, after_ms: int) -> None:
        self._db = db
        self._clock = clock
        self._last_seen = last_seen
        self._after_ms = after_ms

    async def run(self) -> None:
        """Once an hour, until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.forget()
            except DatabaseError:
                logger.exception("Could not forget old addresses")

    async def forget(self) -> int:
        """Now; of how many devices."""
        await self._last_seen.flush()
        async with self._db.write() as tx:
            return await devices.forget_addresses(tx, before_ts=self._clock.now_ms() - self._after_ms)
