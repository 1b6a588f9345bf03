"""What a user does with their account as a whole: another password, and leaving for good.

Spec: client-server API, "Password management", "Account deactivation", "Account moderation".
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ranvier.config.sections import PasswordConfig
from ranvier.db.engine import Database, Tx
from ranvier.proto.errors import forbidden, not_found
from ranvier.store import (
    account_data,
    devices,
    filters,
    login_tokens,
    profiles,
    push_rules,
    tokens,
    user_identities,
    users,
)
from ranvier.store.users import Flag, UserRow
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.interactive_auth import AuthSession
from ranvier.users.password_policy import check_password
from ranvier.users.passwords import Passwords
from ranvier.users.profiles import Profiles
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.requester import Requester
from ranvier.users.sessions import Sessions


class AccountChanges:
    """Changes accounts."""

    def __init__(
        self,
        *,
        db: Database,
        config: PasswordConfig,
        passwords: Passwords,
        profiles: Profiles,
        removal: DeviceRemoval,
        sessions: Sessions,
        reauthentication: Reauthentication,
    ) -> None:
        self._db = db
        self._config = config
        self._passwords = passwords
        self._profiles = profiles
        self._removal = removal
        self._sessions = sessions
        self._reauthentication = reauthentication
        self.deactivation_steps: list[Callable[[Tx, str], Awaitable[None]]] = []
        """Further statements in the transaction that deactivates a user: `(tx, user_id)`."""
        self.erasure_steps: list[Callable[[Tx, str], Awaitable[None]]] = []
        """More of them, for users who want to be forgotten."""
        self.reactivation_steps: list[Callable[[Tx, str], Awaitable[None]]] = []
        """The same where a deactivation is undone."""
        self.on_changed: list[Callable[[str], Awaitable[None]]] = []
        """Told after either."""

    async def get(self, user_id: str) -> UserRow:
        """The account. Raises 404 `M_NOT_FOUND`."""
        user = await users.by_id(self._db, user_id)
        if user is None:
            raise not_found("User not found")
        return user

    def check_password(self, password: str) -> None:
        """Raises 400 `M_INVALID_PARAM` or `M_WEAK_PASSWORD` for one that may not be chosen."""
        check_password(password, self._config.policy)

    async def change_password(
        self,
        requester: Requester | None,
        new_password: str,
        auth: Mapping[str, Any] | None,
        *,
        logout_devices: bool = True,
    ) -> None:
        """Set another password; the login that asks stays. Raises 401 `InteractiveAuthRequired`, 400 for bad ones."""
        if not self._config.localdb_enabled:
            raise forbidden("Passwords are not kept here")
        check_password(new_password, self._config.policy)
        user_id, session = await self._confirmed(requester, auth, operation="POST /account/password")
        await self.set_password(user_id, new_password, logout_devices=logout_devices, keep=requester)
        self._reauthentication.end(session)

    async def set_password(
        self, user_id: str, new_password: str, *, logout_devices: bool, keep: Requester | None = None
    ) -> None:
        """Set a password without asking; `keep` is a login that stays. Raises 404 `M_NOT_FOUND`, 400. One transaction."""
        check_password(new_password, self._config.policy)
        password_hash = await self._passwords.hash(new_password)
        async with self._removal.transaction(user_id) as removal:
            tx = removal.tx
            if not await users.set_password_hash(tx, user_id, password_hash):
                raise not_found("User not found")
            if logout_devices:
                kept = None if keep is None else keep.device_id
                await removal.remove([own for own in await devices.ids_of_user(tx, user_id) if own != kept])
                await login_tokens.delete_of_user(tx, user_id)
                await tokens.delete_deviceless(tx, user_id, except_nid=None if keep is None else keep.token_nid)

    async def deactivate_self(self, requester: Requester | None, auth: Mapping[str, Any] | None, *, erase: bool) -> str:
        """Deactivate one's own account; its id. Raises 401 `InteractiveAuthRequired`."""
        user_id, session = await self._confirmed(requester, auth, operation="POST /account/deactivate")
        await self.deactivate(user_id, erase=erase)
        self._reauthentication.end(session)
        return user_id

    async def deactivate(self, user_id: str, *, erase: bool) -> None:
        """Nobody can log in as this user again, and their devices are gone. Leaving rooms is the rooms' business.

        Raises 404 `M_NOT_FOUND`. One transaction.
        """
        async with self._removal.transaction(user_id) as removal:
            tx = removal.tx
            if not await users.set_flag(tx, user_id, "deactivated", True):
                raise not_found("User not found")
            await users.set_password_hash(tx, user_id, None)
            if erase:
                await users.set_flag(tx, user_id, "erased", True)
                await account_data.delete_of_user(tx, user_id)
                await filters.delete_of_user(tx, user_id)
                await push_rules.delete_of_user(tx, user_id)
                for step in self.erasure_steps:
                    await step(tx, user_id)
            await profiles.save(tx, user_id, {})
            await user_identities.delete_of_user(tx, user_id)
            await removal.remove(await devices.ids_of_user(tx, user_id))
            await tokens.delete_of_user(tx, user_id)
            await login_tokens.delete_of_user(tx, user_id)
            for step in self.deactivation_steps:
                await step(tx, user_id)
        self._profiles.forget(user_id)
        for tell in self.on_changed:
            await tell(user_id)

    async def reactivate(self, user_id: str, new_password: str | None) -> None:
        """Undo a deactivation; what was deleted stays deleted. Raises 404 `M_NOT_FOUND`. One transaction."""
        if new_password is not None:
            check_password(new_password, self._config.policy)
        password_hash = None if new_password is None else await self._passwords.hash(new_password)
        async with self._db.write() as tx:
            if not await users.set_flag(tx, user_id, "deactivated", False):
                raise not_found("User not found")
            await users.set_flag(tx, user_id, "erased", False)
            await users.set_password_hash(tx, user_id, password_hash)
            for step in self.reactivation_steps:
                await step(tx, user_id)
        self._sessions.forget_user(user_id)
        for tell in self.on_changed:
            await tell(user_id)

    async def set_flag(self, user_id: str, flag: Flag, *, value: bool) -> None:
        """Lock, suspend, shadow-ban, make an administrator, or undo it. In force with the next request.

        Raises 404 `M_NOT_FOUND`.
        """
        async with self._db.write() as tx:
            if not await users.set_flag(tx, user_id, flag, value):
                raise not_found("User not found")
        self._sessions.forget_user(user_id)

    async def _confirmed(
        self, requester: Requester | None, auth: Mapping[str, Any] | None, *, operation: str
    ) -> tuple[str, AuthSession | None]:
        if requester is None:
            return await self._reauthentication.require_user(auth, operation=operation)
        return requester.user_id, await self._reauthentication.require(requester, auth, operation=operation)
