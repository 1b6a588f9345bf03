"""Checking who somebody is by their password.

Spec: client-server API, "Password-based", "Identifier types". Used by `/login` and by user-interactive authentication.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.config.sections import PasswordConfig
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, bad_json, forbidden, missing_param
from ranvier.proto.ids import domain_of, is_user_id, localpart_of
from ranvier.ratelimit import RateLimiter
from ranvier.store import users
from ranvier.store.users import UserRow
from ranvier.users.passwords import Passwords

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
        user_id = self._user_id(claim)
        key = self.account_key(claim)
        self._failures.check(key)
        user = await self._find(user_id)
        if user is not None and user.deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
        stored = user.password_hash if user is not None else None
        if not await self._passwords.matches(password, stored) or user is None:
            self._failures.spend(key)
            raise forbidden(_WRONG)
        return user

    def account_key(self, claim: Mapping[str, Any]) -> str:
        """What limits by account count by: the same text for every way to name one account. Raises as `check`."""
        return self._user_id(claim).lower()

    def named(self, claim: Mapping[str, Any]) -> str:
        """The user id that a claim names, as it stands. Raises as `check` for a claim that names nobody."""
        return self._user_id(claim)

    async def _find(self, user_id: str) -> UserRow | None:
        """The account with this id; else the one in lower case, as every newer id is."""
        if domain_of(user_id) != self._server_name or not is_user_id(user_id):
            return None
        user = await users.by_id(self._db, user_id)
        lower = f"@{localpart_of(user_id).lower()}:{self._server_name}"
        return await users.by_id(self._db, lower) if user is None and lower != user_id else user

    def _user_id(self, claim: Mapping[str, Any]) -> str:
        name = _name(claim)
        return name if name.startswith("@") else f"@{name}:{self._server_name}"


def _name(claim: Mapping[str, Any]) -> str:
    """The user id or localpart of a claim."""
    identifier = claim.get("identifier")
    if identifier is None:
        if "user" in claim:
            identifier = {"type": "m.id.user", "user": claim["user"]}
        elif "medium" in claim or "address" in claim:
            identifier = {"type": "m.id.thirdparty"}
        else:
            raise missing_param("identifier is missing")
    if not isinstance(identifier, Mapping):
        raise bad_json("identifier must be an object")
    kind = identifier.get("type")
    if kind in ("m.id.thirdparty", "m.id.phone") or (kind is None and "medium" in identifier):
        raise forbidden(_WRONG)  # no account has a third-party identifier here
    if kind != "m.id.user":
        raise MatrixError(400, "M_UNKNOWN", "Unknown type of identifier")
    name = identifier.get("user")
    if name is None:
        raise missing_param("identifier.user is missing")
    if not isinstance(name, str):
        raise bad_json("identifier.user must be a string")
    return name
