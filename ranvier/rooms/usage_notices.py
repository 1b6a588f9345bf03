"""Tells users that the server has no place for more of them, and takes that back when there is.

Spec: client-server API, "Server Notices" (`m.server_notice.usage_limit_reached`, pinned as long as it holds).
Configuration: `mau_limit_alerting`.
"""

import asyncio
import logging
from typing import Any, Final

from ranvier.db.engine import DatabaseError
from ranvier.proto.errors import MatrixError
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.server_notices import ServerNotices
from ranvier.users.monthly_users import LIMIT_TYPE, MonthlyUsers

logger = logging.getLogger(__name__)

REACHED: Final = "m.server_notice.usage_limit_reached"
PINNED: Final = "m.room.pinned_events"
TEXT: Final = "This server has as many monthly active users as it may have. Whoever has not used it for a while may not be let in."
_REMEMBERED: Final = 100_000


class UsageNotices:
    """Sends and unpins the notices, one after the other."""

    def __init__(
        self, *, monthly: MonthlyUsers, notices: ServerNotices, rooms: Rooms, admin_contact: str | None
    ) -> None:
        self._monthly = monthly
        self._notices = notices
        self._rooms = rooms
        self._admin_contact = admin_contact
        self._told: dict[str, bool] = {}
        """Whether the notice is pinned for somebody, or soon will be; of those who are not here nothing is known."""
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    def note(self, user_id: str) -> None:
        """The user has a client that reads. Costs nothing unless there is news for them."""
        is_full = self._monthly.is_full
        if self._told.get(user_id) is is_full:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[user_id] = is_full
        self._waiting.put_nowait(user_id)

    async def run(self) -> None:
        """Look after those who were noted, until cancelled."""
        while True:
            user_id = await self._waiting.get()
            try:
                await self._tell(user_id)
            except (MatrixError, DatabaseError) as error:
                self._told.pop(user_id, None)
                logger.warning("%s could not be told of the limit on users: %s", user_id, error)

    async def _tell(self, user_id: str) -> None:
        if user_id == self._notices.sender:
            return
        pinned = await self._pinned(user_id)
        found = await self._rooms.cache.by_id([event_id for event_id in pinned if isinstance(event_id, str)])
        ours = {
            event_id for event_id, stored in found.items() if stored.event.content.get("server_notice_type") == REACHED
        }
        if self._monthly.is_full and not ours:
            contact = {} if self._admin_contact is None else {"admin_contact": self._admin_contact}
            content = {"msgtype": "m.server_notice", "body": TEXT, "server_notice_type": REACHED, **contact}
            event_id = await self._notices.send(user_id, "m.room.message", {**content, "limit_type": LIMIT_TYPE})
            await self._notices.send(user_id, PINNED, {"pinned": [*pinned, event_id]}, state_key="")
        elif ours and not self._monthly.is_full:
            left = [event_id for event_id in pinned if event_id not in ours]
            await self._notices.send(user_id, PINNED, {"pinned": left}, state_key="")

    async def _pinned(self, user_id: str) -> list[Any]:
        room_id = await self._notices.room_of(user_id)
        room = None if room_id is None else await self._rooms.find(room_id)
        pinned = [] if room is None else room.content(PINNED).get("pinned")
        return pinned if isinstance(pinned, list) else []
