"""What server admins do to accounts: locking and suspending them, and seeing where they are used from.

Spec: client-server API, "Account moderation", "Server Administration". That the requester is an admin is checked before
anything is looked up, so that nobody else learns which accounts there are.
"""

from typing import Literal

from ranvier.db.engine import Database
from ranvier.proto.errors import forbidden, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.store import devices, users
from ranvier.store.devices import Device
from ranvier.store.users import UserRow
from ranvier.users.account import AccountChanges
from ranvier.users.last_seen import LastSeen, Seen
from ranvier.users.requester import Requester

Measure = Literal["locked", "suspended"]


class Moderation:
    """Measures against accounts. Every method raises 403 `M_FORBIDDEN` for those who are no admins."""

    def __init__(self, *, db: Database, server_name: str, account: AccountChanges, last_seen: LastSeen) -> None:
        self._db = db
        self._server_name = server_name
        self._account = account
        self._last_seen = last_seen

    async def is_set(self, requester: Requester, user_id: str, measure: Measure) -> bool:
        """Whether the account is locked or suspended. Raises 400 `M_INVALID_PARAM`, 403, 404 `M_NOT_FOUND`."""
        user = await self._target(requester, user_id)
        return user.locked if measure == "locked" else user.suspended

    async def set(self, requester: Requester, user_id: str, measure: Measure, *, value: bool) -> None:
        """Take or lift a measure; in force with the user's next request. Raises as `is_set`, and 403 for oneself."""
        user = await self._target(requester, user_id)
        if user_id == requester.user_id:
            raise forbidden("You cannot do this to your own account")
        before = user.locked if measure == "locked" else user.suspended
        if before is not value:
            await self._account.set_flag(user_id, measure, value=value)

    async def devices_seen(self, requester: Requester, user_id: str) -> dict[str, Seen | None]:
        """When and from where each device was last seen. Users may ask about themselves, admins about everyone here.

        Raises 400 `M_INVALID_PARAM`, 403 `M_FORBIDDEN`, 404 `M_NOT_FOUND`.
        """
        if user_id != requester.user_id and not requester.is_admin:
            raise forbidden("Only server admins may ask about other users")
        await self._find(user_id)
        return {device.device_id: self._seen(user_id, device) for device in await devices.of_user(self._db, user_id)}

    async def _target(self, requester: Requester, user_id: str) -> UserRow:
        if not requester.is_admin:
            raise forbidden("You are not a server admin")
        user = await self._find(user_id)
        if user.deactivated:
            raise not_found("User not found")
        if user.is_admin and user_id != requester.user_id:
            raise forbidden("This user is a server admin too")
        return user

    async def _find(self, user_id: str) -> UserRow:
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise invalid_param("Not a user of this server")
        user = await users.by_id(self._db, user_id)
        if user is None:
            raise not_found("User not found")
        return user

    def _seen(self, user_id: str, device: Device) -> Seen | None:
        seen = self._last_seen.of(user_id, device.device_id)
        if seen is None and device.last_seen_ts is not None:
            seen = Seen(device.last_seen_ts, device.last_seen_ip or "", device.last_seen_user_agent or "")
        return seen
