"""Logging out. Spec: client-server API, "Login" (`/logout`, `/logout/all`)."""

from ranvier.store import devices, login_tokens, tokens
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.requester import Requester


class Logout:
    """Ends logins; the devices go with them."""

    def __init__(self, *, removal: DeviceRemoval) -> None:
        self._removal = removal

    async def logout(self, requester: Requester) -> None:
        """End this login. One transaction."""
        user_id, device_ids = requester.user_id, [requester.device_id] if requester.device_id is not None else []
        async with self._removal.transaction(user_id) as removal:
            if requester.device_id is None and requester.token_nid is not None:
                await tokens.delete_access(removal.tx, requester.token_nid)
            await removal.remove(device_ids)

    async def logout_all(self, user_id: str) -> None:
        """End every login of a user. One transaction."""
        async with self._removal.transaction(user_id) as removal:
            await removal.remove(await devices.ids_of_user(removal.tx, user_id))
            await tokens.delete_of_user(removal.tx, user_id)
            await login_tokens.delete_of_user(removal.tx, user_id)
