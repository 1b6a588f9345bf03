"""Checking who somebody is by their password.

Spec: client-server API, "Password-based", "Identifier types". Used by `/login` and by user-interactive authentication.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.config.sections import PasswordConfig
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, bad_json, forbidden, missing_param
from ranvier.proto.ids import domain_of, is_user_id, localpart_of
from ranvier.proto.threepids import canonical
from ranvier.ratelimit import RateLimiter
from ranvier.store import user_identities, users
from ranvier.store.users import UserRow
from ranvier.users.passwords import Passwords
from ranvier.users.text import is_storable

_WRONG = "Invalid username or password"


class PasswordCheck:
    """Finds the account and compares the password; wrong ones are counted by account."""

    def __init__(
        self,
        *,
        db: Database,
        passwords: Passwords,
        server_name: str,
        config: PasswordConfig,
        failures: RateLimiter,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._server_name = server_name
        self._config = config
        self._failures = failures

    async def check(self, claim: Mapping[str, Any], password: str) -> UserRow:
        """The account that `claim` (its `identifier`, or the older `user`) names, if this is its password.

        Raises 403 `M_FORBIDDEN`, `M_USER_DEACTIVATED`; 400 for a claim that names nobody; 429 `M_LIMIT_EXCEEDED`.
        """
        if not self._config.localdb_enabled:
            raise forbidden("Passwords are not kept here")
        user_id = await self.named(claim)
        key = user_id.lower()
        self._failures.check(key)
        user = await self._find(user_id)
        if user is not None and user.deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
        stored = user.password_hash if user is not None else None
        if not await self._passwords.matches(password, stored) or user is None:
            self._failures.spend(key)
            raise forbidden(_WRONG)
        return user

    async def account_key(self, claim: Mapping[str, Any]) -> str:
        """What limits by account count by: the same text for every way to name one account. Raises as `check`."""
        return (await self.named(claim)).lower()

    async def named(self, claim: Mapping[str, Any]) -> str:
        """The user id that a claim names, as it stands; what nobody has is no user id. Raises as `check`."""
        found = _name(claim)
        if isinstance(found, tuple):
            medium, address = found[0], canonical(*found)
            is_known = is_storable(medium) and is_storable(address)
            owner = await user_identities.by_threepid(self._db, medium, address) if is_known else None
            return owner or f"{medium}:{address}"
        return found if found.startswith("@") else f"@{found}:{self._server_name}"

    async def _find(self, user_id: str) -> UserRow | None:
        """The account with this id; else the one in lower case, as every newer id is."""
        if domain_of(user_id) != self._server_name or not is_user_id(user_id):
            return None
        user = await users.by_id(self._db, user_id)
        lower = f"@{localpart_of(user_id).lower()}:{self._server_name}"
        return await users.by_id(self._db, lower) if user is None and lower != user_id else user


def _name(claim: Mapping[str, Any]) -> str | tuple[str, str]:
    """The user id or localpart of a claim, or medium and address of a third-party identifier."""
    identifier = claim.get("identifier")
    if identifier is None:
        if "user" in claim:
            identifier = {"type": "m.id.user", "user": claim["user"]}
        elif "medium" in claim or "address" in claim:
            identifier = {**claim, "type": "m.id.thirdparty"}
        else:
            raise missing_param("identifier is missing")
    if not isinstance(identifier, Mapping):
        raise bad_json("identifier must be an object")
    kind = identifier.get("type")
    if kind == "m.id.thirdparty" or (kind is None and "medium" in identifier):
        return _text(identifier, "medium"), _text(identifier, "address")
    if kind == "m.id.phone":
        raise forbidden(_WRONG)  # numbers as people write them are nobody's here
    if kind != "m.id.user":
        raise MatrixError(400, "M_UNKNOWN", "Unknown type of identifier")
    return _text(identifier, "user")


def _text(identifier: Mapping[str, Any], field: str) -> str:
    value = identifier.get(field)
    if value is None:
        raise missing_param(f"identifier.{field} is missing")
    if not isinstance(value, str):
        raise bad_json(f"identifier.{field} must be a string")
    return value
