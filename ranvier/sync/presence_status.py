"""Reading and setting presence by request. Spec: client-server API, "Presence", `/presence/{userId}/status`."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ranvier.ports import Clock
from ranvier.proto.errors import forbidden, invalid_param
from ranvier.proto.ids import is_user_id
from ranvier.sync.feed import Feeds
from ranvier.sync.presence_stream import presence_content
from ranvier.users.device_presence import PresenceName
from ranvier.users.presence import PresenceTracker
from ranvier.users.requester import Requester

STATUS_LENGTH: Final = 1000


class PresenceStatus:
    """What users say about themselves, and see of others."""

    def __init__(
        self,
        *,
        tracker: PresenceTracker,
        feeds: Feeds,
        clock: Clock,
        share_room: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._tracker = tracker
        self._feeds = feeds
        self._clock = clock
        self._share_room = share_room

    async def get(self, requester: Requester, user_id: str) -> dict[str, Any]:
        """A user's presence. Raises 403 `M_FORBIDDEN` if the requester shares no room with them."""
        if user_id != requester.user_id and not (
            is_user_id(user_id) and await self._share_room(requester.user_id, user_id)
        ):
            raise forbidden("You are not allowed to see their presence")
        return presence_content(self._tracker.of(user_id), self._clock.now_ms())

    async def set(self, requester: Requester, user_id: str, presence: PresenceName, status_msg: str | None) -> None:
        """Set the requester's own presence; without a `status_msg` they have none. Raises 403 `M_FORBIDDEN`."""
        if user_id != requester.user_id:
            raise forbidden("Cannot set the presence of another user")
        if status_msg is not None and len(status_msg) > STATUS_LENGTH:
            raise invalid_param(f"status_msg: at most {STATUS_LENGTH} characters")
        if self._tracker.is_on and not requester.shadow_banned:  # Nobody is to see those.
            # Those who share a room are found by what the user follows.
            await self._feeds.get(user_id)
            self._tracker.set(user_id, requester.device_id or "", presence, status_msg or None)
