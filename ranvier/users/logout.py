"""Logging out. Spec: client-server API, "Login" (`/logout`, `/logout/all`)."""

from ranvier.db.engine import Database
from ranvier.store import devices, tokens
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.requester import Requester


class Logout:
    """Ends logins; the devices go with them."""

    def __init__(self, *, db: Database, removal: DeviceRemoval) -> None:
        self._db = db
        self._removal = removal

    async def logout(self, requester: Requester) -> None:
        """End this login. One transaction."""
        user_id, device_ids = requester.user_id, [requester.device_id] if requester.device_id is not None else []
        async with self._db.write() as tx:
            if requester.device_id is None and requester.token_nid is not None:
                await tokens.delete_access(tx, requester.token_nid)
            await self._removal.remove(tx, user_id, device_ids)
        self._removal.announce(user_id, device_ids)

    async def logout_all(self, user_id: str) -> None:
        """End every login of a user. One transaction."""
        async with self._db.write() as tx:
            device_ids = await devices.ids_of_user(tx, user_id)
            await self._removal.remove(tx, user_id, device_ids)
            await tokens.delete_of_user(tx, user_id)
        self._removal.announce(user_id, device_ids)
