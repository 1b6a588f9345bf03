"""Devices that nobody has used for long are logged out and removed, once a day.

Configuration: `delete_stale_devices_after`.
"""

import logging
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import devices
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.last_seen import LastSeen

logger = logging.getLogger(__name__)

EVERY_S: Final = 24 * 3600.0
_AT_ONCE: Final = 500


class StaleDevices:
    """Removes devices whose last request is longer ago than `after_ms`; never those that have not made any."""

    def __init__(
        self, *, db: Database, clock: Clock, last_seen: LastSeen, removal: DeviceRemoval, after_ms: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._last_seen = last_seen
        self._removal = removal
        self._after_ms = after_ms

    async def run(self) -> None:
        """Look once a day, until cancelled."""
        while True:
            try:
                count = await self.remove()
            except DatabaseError:
                logger.exception("Could not remove devices that are not used")
            else:
                if count:
                    logger.info("Removed %d devices that have not been used for long", count)
            await self._clock.sleep(EVERY_S)

    async def remove(self) -> int:
        """Remove all that are stale by now; how many that were. Looks at some hundreds of devices at a time."""
        await self._last_seen.flush()
        before_ts = self._clock.now_ms() - self._after_ms
        count = 0
        after = ("", "")
        while page := await devices.page(self._db, after, limit=_AT_ONCE):
            after = page[-1][:2]
            stale = [(user_id, device_id) for user_id, device_id, ts in page if ts is not None and ts < before_ts]
            for user_id, found in groupby(stale, key=lambda entry: entry[0]):
                count += await self._remove(user_id, (device_id for _, device_id in found))
        return count

    async def _remove(self, user_id: str, device_ids: Iterable[str]) -> int:
        async with self._removal.transaction(user_id) as removal:
            # Who has come back in the meantime stays.
            idle = [device_id for device_id in device_ids if self._last_seen.of(user_id, device_id) is None]
            await removal.remove(idle)
        return len(idle)
