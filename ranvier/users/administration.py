"""Accounts as administrators see and change them. Manual: admin API, "User Admin API".

Whoever calls this has checked that an administrator asks.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, UniqueViolation
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_user_id, localpart_of
from ranvier.proto.threepids import canonical
from ranvier.store import consent, devices, profiles, user_identities, user_list, users
from ranvier.store.consent import ConsentRow
from ranvier.store.user_identities import ThreepidRow
from ranvier.store.user_list import ListedUser, Order, UserFilter
from ranvier.store.users import UserRow
from ranvier.users.account import AccountChanges
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.issue_login import LoginIssuer
from ranvier.users.last_seen import LastSeen
from ranvier.users.passwords import Passwords
from ranvier.users.profiles import Profiles
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

_BATCH: Final = 500
MEDIA: Final = frozenset(("email", "msisdn"))
"""The kinds of third-party identifiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetails:
    """One account, with everything that is known about it."""

    user: UserRow
    displayname: str | None
    avatar_url: str | None
    threepids: list[ThreepidRow]
    external_ids: list[tuple[str, str]]
    consent_version: str | None
    consent_ts: int | None
    consent_server_notice_sent: str | None
    last_seen_ts: int | None


class Administration:
    """Reads and changes accounts of this server."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        server_name: str,
        accounts: Accounts,
        changes: AccountChanges,
        issuer: LoginIssuer,
        last_seen: LastSeen,
        passwords: Passwords,
        profiles: Profiles,
    ) -> None:
        self._db = db
        self._clock = clock
        self._server_name = server_name
        self.accounts = accounts
        self.changes = changes
        self._issuer = issuer
        self._last_seen = last_seen
        self._passwords = passwords
        self._profiles = profiles
        self._is_listed = False
        self.announce: Callable[[str], Awaitable[None]] | None = None
        """Tells a user's rooms of another name or avatar."""

    def check_local(self, user_id: str) -> None:
        """Raises 400 `M_INVALID_PARAM` unless it is a user id of this server."""
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise invalid_param("Not a user of this server")

    async def get(self, user_id: str) -> UserRow:
        """The account. Raises 400 `M_INVALID_PARAM`, 404 `M_NOT_FOUND`."""
        self.check_local(user_id)
        return await self.changes.get(user_id)

    async def find(self, user_id: str) -> UserRow | None:
        """The account, if there is one. Raises 400 `M_INVALID_PARAM`."""
        self.check_local(user_id)
        return await users.by_id(self._db, user_id)

    async def details(self, user_id: str) -> AccountDetails:
        """One account. Raises as `get`."""
        user = await self.get(user_id)
        profile = await self._profiles.of(user_id)
        agreed = await consent.of_user(self._db, user_id) or ConsentRow(None, None, None)
        return AccountDetails(
            user=user,
            displayname=profile.get("displayname"),
            avatar_url=profile.get("avatar_url"),
            threepids=await user_identities.threepids(self._db, user_id),
            external_ids=await user_identities.external_ids(self._db, user_id),
            consent_version=agreed.version,
            consent_ts=agreed.ts,
            consent_server_notice_sent=agreed.notice_sent,
            last_seen_ts=await self._last_seen_of(user_id),
        )

    async def page(
        self, wanted: UserFilter, *, order: Order, offset: int, limit: int, backwards: bool
    ) -> tuple[list[ListedUser], int]:
        """Some accounts, and how many there are in all."""
        for text in (wanted.name, wanted.user_id, *wanted.not_user_types):
            if text is not None and not is_storable(text):
                return [], 0
        await self._list_all()
        return await user_list.page(self._db, wanted, order=order, offset=offset, limit=limit, backwards=backwards)

    async def create(
        self, user_id: str, password: str | None, displayname: str | None, *, is_admin: bool, user_type: str | None
    ) -> None:
        """Make an account, whether registration is open or not. Raises 400."""
        if self.accounts.user_id(localpart_of(user_id)) != user_id:
            raise MatrixError(400, "M_INVALID_USERNAME", "New user ids are in lower case")
        self.accounts.check_user_type(user_type)
        if password is not None:
            self.changes.check_password(password)
        await self.accounts.check_available(user_id)
        account = NewAccount(
            user_id=user_id,
            password_hash=None if password is None else await self._passwords.hash(password),
            displayname=localpart_of(user_id) if displayname is None else displayname or None,
            is_admin=is_admin,
            user_type=user_type,
        )
        await self.accounts.create(account, None)

    async def set_profile(self, requester: Requester, user_id: str, key: str, value: str) -> None:
        """Set a name or an avatar, whether users may do so themselves or not; empty removes it. Raises 400."""
        if await self._profiles.set(requester, user_id, key, value) and self.announce is not None:
            await self.announce(user_id)

    async def set_user_type(self, user_id: str, user_type: str | None) -> None:
        """Raises 400 `M_INVALID_PARAM` for a type that does not exist."""
        self.accounts.check_user_type(user_type)
        async with self._db.write() as tx:
            await users.set_user_type(tx, user_id, user_type)

    async def set_identities(
        self,
        user_id: str,
        *,
        threepids: Sequence[tuple[str, str]] | None,
        external_ids: Sequence[tuple[str, str]] | None,
    ) -> None:
        """Let the user have these and no others; `None`: as they are. One transaction.

        Raises 400 `M_INVALID_PARAM`; 409 for what somebody else has.
        """
        if threepids is not None:
            threepids = [(medium, canonical(medium, address)) for medium, address in threepids]
        _check_identities(threepids or (), external_ids or ())
        now_ms = self._clock.now_ms()
        try:
            async with self._db.write() as tx:
                if threepids is not None:
                    before = {(row.medium, row.address): row for row in await user_identities.threepids(tx, user_id)}
                    wanted = [before.get(key, ThreepidRow(*key, now_ms, now_ms)) for key in dict.fromkeys(threepids)]
                    await user_identities.replace_threepids(tx, user_id, wanted)
                if external_ids is not None:
                    await user_identities.replace_external_ids(tx, user_id, list(dict.fromkeys(external_ids)))
        except UniqueViolation as error:
            raise MatrixError(409, "M_UNKNOWN", "Another user has this identifier already") from error

    async def by_external_id(self, auth_provider: str, external_id: str) -> str:
        """Whose id at an identity provider this is. Raises 404 `M_NOT_FOUND`."""
        known = is_storable(auth_provider) and is_storable(external_id)
        user_id = await user_identities.by_external_id(self._db, auth_provider, external_id) if known else None
        if user_id is None:
            raise not_found("User not found")
        return user_id

    async def by_threepid(self, medium: str, address: str) -> str:
        """Whose address or number this is. Raises 404 `M_NOT_FOUND`."""
        known = is_storable(medium) and is_storable(address)
        user_id = await user_identities.by_threepid(self._db, medium, canonical(medium, address)) if known else None
        if user_id is None:
            raise not_found("User not found")
        return user_id

    async def login_as(self, requester: Requester, user_id: str, valid_until_ms: int | None) -> str:
        """An access token with which the administrator acts as the user. Raises 400, 404."""
        user = await self.get(user_id)
        if user_id == requester.user_id:
            raise MatrixError(400, "M_UNKNOWN", "You cannot log in as yourself here")
        if user.deactivated:
            raise not_found("User not found")
        if valid_until_ms is not None and valid_until_ms <= self._clock.now_ms():
            raise invalid_param("valid_until_ms must be in the future")
        async with self._db.write() as tx:
            return await self._issuer.issue_deviceless(tx, user_id, expires_ts=valid_until_ms)

    async def _last_seen_of(self, user_id: str) -> int | None:
        times = []
        for device in await devices.of_user(self._db, user_id):
            seen = self._last_seen.of(user_id, device.device_id)
            times.append(device.last_seen_ts if seen is None else seen.ts)
        return max((ts for ts in times if ts is not None), default=None)

    async def _list_all(self) -> None:
        """Bring the columns of profiles from before there were any up to date, once. Mostly one statement."""
        while not self._is_listed:
            user_ids = await profiles.unlisted(self._db, _BATCH)
            if not user_ids:
                self._is_listed = True
                return
            async with self._db.write() as tx:
                await profiles.list_again(tx, user_ids)


def _check_identities(threepids: Sequence[tuple[str, str]], external_ids: Sequence[tuple[str, str]]) -> None:
    for medium, address in threepids:
        if medium not in MEDIA:
            raise invalid_param("threepids: the medium is email or msisdn")
        if not address or not is_storable(address):
            raise invalid_param("threepids: not an address")
    for provider, external_id in external_ids:
        if not provider or not external_id or not is_storable(provider + external_id):
            raise invalid_param("external_ids: auth_provider and external_id are needed")
