"""The accounts of users whom providers know: finding them, making them."""

import logging
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Database, UniqueViolation
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.proto.threepids import canonical_email
from ranvier.sso.provider import Identity, SignOnFailed
from ranvier.store import user_identities, users
from ranvier.store.user_identities import ThreepidRow
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.profiles import MAX_DISPLAYNAME_LENGTH
from ranvier.users.text import is_storable

logger = logging.getLogger(__name__)

_ALLOWED: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-/+")
_MAX_TRIES: Final = 100
_MAX_EXTERNAL_ID: Final = 1000


class SsoAccounts:
    """Knows whose account it is."""

    def __init__(self, *, db: Database, clock: Clock, accounts: Accounts) -> None:
        self._db = db
        self._clock = clock
        self._accounts = accounts

    async def find(self, provider: str, external_id: str) -> str | None:
        """Whose it is. Raises `SignOnFailed` for an id that cannot be kept."""
        if not is_storable(external_id) or len(external_id) > _MAX_EXTERNAL_ID:
            raise SignOnFailed("mapping_error", "The provider's name for you cannot be used here.")
        return await user_identities.by_external_id(self._db, provider, external_id)

    async def providers_of(self, user_id: str) -> set[str]:
        """Which providers know a user."""
        return {provider for provider, _ in await user_identities.external_ids(self._db, user_id)}

    async def adopt(self, provider: str, identity: Identity) -> str | None:
        """Let the account that has the user's name be theirs; `None` if there is none."""
        if identity.localpart is None:
            return None
        try:
            user_id = self._accounts.user_id(mapped(identity.localpart))
        except MatrixError:
            return None
        user = await users.by_id(self._db, user_id)
        if user is None or user.is_guest or user.appservice_id is not None:
            return None
        async with self._db.write() as tx:
            # Another request of theirs may be in the same commit, and not to be seen from outside yet.
            if (owner := await user_identities.by_external_id(tx, provider, identity.external_id)) is not None:
                return owner
            await user_identities.add_external_id(tx, user_id, provider, identity.external_id)
        return user_id

    async def free_localpart(self, wanted: str) -> str:
        """The name, or the next one with a number behind it that nobody has. Raises `SignOnFailed`."""
        localpart = mapped(wanted)
        for number in range(_MAX_TRIES):
            candidate = f"{localpart}{number or ''}"
            if (problem := await self.problem(candidate)) is None:
                return candidate
            if problem.errcode == "M_INVALID_USERNAME":
                break
        raise SignOnFailed("mapping_error", "The provider's name for you cannot be used here.")

    async def problem(self, localpart: str) -> MatrixError | None:
        """Why nobody can have this name now."""
        try:
            await self._accounts.check_available(self._accounts.user_id(localpart))
        except MatrixError as error:
            return error
        return None

    def user_id(self, localpart: str) -> str:
        """Raises 400 `M_INVALID_USERNAME`."""
        return self._accounts.user_id(localpart)

    async def make(
        self,
        provider: str,
        identity: Identity,
        *,
        localpart: str,
        display_name: str | None,
        emails: Sequence[str],
        consent: str | None,
    ) -> str:
        """Make an account, one transaction, unless the user has one by now. Raises `SignOnFailed`.

        Addresses that somebody has are left out.
        """
        user_id = self._accounts.user_id(localpart)
        name = (display_name or localpart)[:MAX_DISPLAYNAME_LENGTH]
        account = NewAccount(user_id=user_id, displayname=name if is_storable(name) else localpart)
        free = await self._free(emails)
        now_ms = self._clock.now_ms()
        try:
            async with self._db.write() as tx:
                if (owner := await user_identities.by_external_id(tx, provider, identity.external_id)) is not None:
                    return owner
                await self._accounts.insert(tx, account)
                await user_identities.add_external_id(tx, user_id, provider, identity.external_id)
                for address in free:
                    await user_identities.add_threepid(tx, user_id, ThreepidRow("email", address, now_ms, now_ms))
                if consent is not None:
                    await users.set_consent(tx, user_id, consent, now_ms)
        except UniqueViolation as error:
            if (owner := await self.find(provider, identity.external_id)) is not None:
                return owner
            raise SignOnFailed("mapping_error", "Somebody has just taken this name: start again.") from error
        logger.info("%s has come by %s", user_id, provider)
        await self._accounts.welcome(account)
        return user_id

    async def is_deactivated(self, user_id: str) -> bool:
        """Also where there is no such account."""
        user = await users.by_id(self._db, user_id)
        return user is None or user.deactivated

    async def _free(self, emails: Sequence[str]) -> list[str]:
        free = []
        for email in emails:
            try:
                address = canonical_email(email)
            except ValueError:
                continue
            if await user_identities.by_threepid(self._db, "email", address) is None:
                free.append(address)
        return free


def mapped(name: str) -> str:
    """A localpart for any text. Spec: appendices, "Mapping from other character sets"; one does not begin with `_`."""
    text = "".join(
        chr(byte) if byte in _ALLOWED else f"={byte:02x}" for byte in name.lower().encode("utf-8", "replace")
    )
    return f"=5f{text[1:]}" if text.startswith("_") else text
