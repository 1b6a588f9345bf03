"""When and from where devices were last seen: in memory, and now and then written down in one transaction.

Spec: client-server API, `GET /devices` (the times may be a few minutes old).
"""

import logging
from dataclasses import dataclass

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import devices as store
from ranvier.users.text import is_storable

logger = logging.getLogger(__name__)

FLUSH_EVERY_S = 300.0
_USER_AGENT_LENGTH = 300


@dataclass(slots=True)
class Seen:
    """The last request of one device."""

    ts: int
    ip: str
    user_agent: str


class LastSeen:
    """What has been seen and not been written yet."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[tuple[str, str], Seen] = {}

    def note(self, user_id: str, device_id: str, *, ts: int, ip: str, user_agent: str) -> None:
        """A device has sent a request."""
        self._seen[user_id, device_id] = Seen(ts, ip, user_agent)

    def of(self, user_id: str, device_id: str) -> Seen | None:
        """What is newer than the database, if anything is."""
        return self._seen.get((user_id, device_id))

    def forget(self, user_id: str, device_id: str) -> None:
        """The device is gone."""
        self._seen.pop((user_id, device_id), None)

    async def flush(self) -> None:
        """Write it down. One statement; if it fails, the next flush tries again."""
        if not self._seen:
            return
        seen, self._seen = self._seen, {}
        try:
            async with self._db.write() as tx:
                await store.save_last_seen(
                    tx,
                    [
                        (user_id, device_id, entry.ts, entry.ip, _agent(entry.user_agent))
                        for (user_id, device_id), entry in seen.items()
                    ],
                )
        except DatabaseError:
            logger.warning("Could not store when %d devices were last seen", len(seen), exc_info=True)
            self._seen = seen | self._seen

    async def run(self) -> None:
        """Flush every few minutes until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()


def _agent(text: str) -> str:
    return text[:_USER_AGENT_LENGTH] if is_storable(text) else ""
