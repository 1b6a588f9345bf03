"""Asks users to agree to the server's policy, once for each version, when they are there to read it.

Configuration: `user_consent.server_notice_content`, `user_consent.send_server_notice_to_guests`.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from ranvier.db.engine import DatabaseError
from ranvier.proto.errors import MatrixError
from ranvier.rooms.server_notices import ServerNotices
from ranvier.users.consent import Consent, with_link

logger = logging.getLogger(__name__)

_REMEMBERED: Final = 100_000


class ConsentNotices:
    """Sends the notices one after the other: a new version of a policy concerns everybody."""

    def __init__(
        self, *, consent: Consent, notices: ServerNotices, content: Mapping[str, Any], to_guests: bool
    ) -> None:
        self._consent = consent
        self._notices = notices
        self._content = content
        self._to_guests = to_guests
        self._seen: set[str] = set()
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    def note(self, user_id: str) -> None:
        """The user has a client that reads. Costs nothing but the first time."""
        if user_id in self._seen:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(user_id)
        self._waiting.put_nowait(user_id)

    async def run(self) -> None:
        """Look after those who were noted, until cancelled."""
        while True:
            user_id = await self._waiting.get()
            try:
                await self._ask(user_id)
            except (MatrixError, DatabaseError) as error:
                self._seen.discard(user_id)
                logger.warning("%s could not be asked to agree to the policy: %s", user_id, error)

    async def _ask(self, user_id: str) -> None:
        if user_id == self._notices.sender or not await self._consent.has_to_agree(user_id):
            return
        row = await self._consent.of(user_id)
        if row is None or row.notice_sent == self._consent.version or (row.is_guest and not self._to_guests):
            return
        content = _filled(dict(self._content), self._consent.link(user_id))
        await self._notices.send(user_id, "m.room.message", content)
        await self._consent.note_notice(user_id)


def _filled(content: Any, link: str) -> Any:
    """The same, with the link in all its texts."""
    match content:
        case str():
            return with_link(content, link)
        case dict():
            return {key: _filled(value, link) for key, value in content.items()}
        case list():
            return [_filled(value, link) for value in content]
    return content
