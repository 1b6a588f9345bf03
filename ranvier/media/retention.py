"""Media that nobody has asked for in a long time are deleted.

Configuration: `media_retention`. Of our own those that are quarantined or protected are kept; pictures of users and rooms,
too.
"""

import logging
from typing import Final

from ranvier.config.media_sections import MediaConfig
from ranvier.db.engine import DatabaseError
from ranvier.media.administration import MediaAdministration
from ranvier.ports import Clock

logger = logging.getLogger(__name__)

EVERY_S: Final = 3600.0


class MediaRetention:
    """Looks for them, and for names that were never given content."""

    def __init__(self, *, config: MediaConfig, administration: MediaAdministration, clock: Clock) -> None:
        self._local_ms = config.local_lifetime_ms
        self._remote_ms = config.remote_lifetime_ms
        self._administration = administration
        self._clock = clock

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.look()
            except (DatabaseError, OSError):
                logger.exception("Could not delete old media")

    async def look(self) -> None:
        """Delete what is too old now."""
        await self._administration.delete_expired_names()
        await self._administration.delete_old_previews()
        now_ms = self._clock.now_ms()
        if self._local_ms is not None:
            gone = await self._administration.delete_old_local(
                before_ts=now_ms - self._local_ms, larger_than=-1, keeps_avatars=True, spares_marked=True
            )
            if gone:
                logger.info("Deleted %d media that nobody has asked for", len(gone))
        if self._remote_ms is not None:
            count = await self._administration.delete_old_remote(before_ts=now_ms - self._remote_ms)
            if count:
                logger.info("Deleted %d copies of other servers' media that nobody has asked for", count)
