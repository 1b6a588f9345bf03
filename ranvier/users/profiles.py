"""Profiles: those of local users, and those that other servers are asked for. Spec: client-server API, "Profiles".

Telling rooms and other servers of a change is not done here: `set` and `delete` answer whether there is one to tell.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param, not_found
from ranvier.proto.ids import domain_of
from ranvier.proto.limits import is_too_long
from ranvier.store import profiles as store
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

MAX_PROFILE_BYTES: Final = 65_536
MAX_DISPLAYNAME_LENGTH: Final = 256
MAX_AVATAR_URL_LENGTH: Final = 1_000
ANNOUNCED: Final = frozenset(("displayname", "avatar_url"))
"""The fields that rooms are told about."""
_MAX_CACHED: Final = 10_000
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
# The common namespaced identifier grammar, of which the spec's own keys are part.
_is_key = re.compile(r"[a-z][a-z0-9_.-]*").fullmatch


class RemoteProfiles(Protocol):
    """Asks other servers."""

    async def get(self, user_id: str) -> Mapping[str, Any]:
        """All fields of a user of another server. Raises 404, 502 if it does not answer, or the error it answers with."""
        ...


class NobodyElse:
    """There are no other servers."""

    async def get(self, user_id: str) -> Mapping[str, Any]:
        raise not_found("Profile not found")


class Avatars(Protocol):
    """What may be an avatar."""

    async def check(self, uri: str) -> None:
        """Raises 403 `M_FORBIDDEN` for a medium that may not."""
        ...


class AnyAvatar:
    """Everything may."""

    async def check(self, uri: str) -> None:
        return


class Profiles:
    """Reads and changes profiles; those that were read lately are kept in memory."""

    def __init__(self, *, db: Database, config: Config, remote: RemoteProfiles | None = None) -> None:
        self._db = db
        self._server_name = config.server_name
        self.remote: RemoteProfiles = remote or NobodyElse()
        self.avatars: Avatars = AnyAvatar()
        self._fixed = frozenset(
            name
            for name, is_free in (
                ("displayname", config.enable_set_displayname),
                ("avatar_url", config.enable_set_avatar_url),
            )
            if not is_free
        )
        self._cache: dict[str, Mapping[str, Any]] = {}
        self._changes = 0

    async def get(self, user_id: str) -> Mapping[str, Any]:
        """All fields of a user. Raises 404 `M_NOT_FOUND`, and for users of other servers as `RemoteProfiles`.

        No statement if it is remembered.
        """
        if domain_of(user_id) != self._server_name:
            return await self.remote.get(user_id)
        fields = await self._find(user_id)
        if fields is None:
            raise not_found("Profile not found")
        return fields

    async def of(self, user_id: str) -> Mapping[str, Any]:
        """All fields of a local user; none if there is no such user."""
        return await self._find(user_id) or _EMPTY

    async def field(self, user_id: str, key: str) -> Any:
        """One field. Raises 404 `M_NOT_FOUND`."""
        fields = await self.get(user_id)
        if key not in fields:
            raise not_found("Profile field not found")
        return fields[key]

    async def set(self, requester: Requester, user_id: str, key: str, value: Any) -> bool:
        """Set one field; whether rooms have to be told. One transaction.

        An empty `displayname` or `avatar_url` removes it. Raises 403 `M_FORBIDDEN`; 400 `M_KEY_TOO_LARGE`,
        `M_PROFILE_TOO_LARGE`, `M_INVALID_PARAM`, `M_BAD_JSON`; 404 `M_NOT_FOUND`.
        """
        self._check_permission(requester, user_id, key)
        _check_value(key, value)
        if key == "avatar_url" and value:
            await self.avatars.check(value)
        return await self._change(user_id, key, {} if key in ANNOUNCED and value == "" else {key: value})

    async def delete(self, requester: Requester, user_id: str, key: str) -> bool:
        """Remove one field; whether rooms have to be told. One transaction. Raises as `set`."""
        self._check_permission(requester, user_id, key)
        return await self._change(user_id, key, {})

    def forget(self, user_id: str) -> None:
        """The profile was changed elsewhere."""
        self._changes += 1
        self._cache.pop(user_id, None)

    async def _find(self, user_id: str) -> Mapping[str, Any] | None:
        fields = self._cache.get(user_id)
        if fields is not None:
            return fields
        if not is_storable(user_id):
            return None
        changes = self._changes
        found = await store.of_user(self._db, user_id)
        if found is None:
            return None
        if changes == self._changes:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[user_id] = MappingProxyType(found)
        return found

    async def _change(self, user_id: str, key: str, new: dict[str, Any]) -> bool:
        async with self._db.write() as tx:
            before = await store.claim(tx, user_id)
            if before is None:
                raise not_found("Profile not found")
            after = {name: value for name, value in before.items() if name != key} | new
            if after == before:
                return False
            if new and len(_encoded(after)) >= MAX_PROFILE_BYTES:
                raise MatrixError(400, "M_PROFILE_TOO_LARGE", "The profile would be larger than 64 KiB")
            await store.save(tx, user_id, after)
        self.forget(user_id)
        return key in ANNOUNCED

    def _check_permission(self, requester: Requester, user_id: str, key: str) -> None:
        if requester.user_id != user_id and not requester.is_admin:
            raise forbidden("Cannot change another user's profile")
        if key in self._fixed and not requester.is_admin:
            raise forbidden(f"Changing {key} is disabled on this server")
        if is_storable(key) and is_too_long(key):
            raise MatrixError(400, "M_KEY_TOO_LARGE", "The key is longer than 255 bytes")
        if _is_key(key) is None:
            raise invalid_param("Invalid profile key")


def _check_value(key: str, value: Any) -> None:
    if key not in ANNOUNCED:
        return
    if not isinstance(value, str):
        raise bad_json(f"{key} must be a string")
    limit = MAX_DISPLAYNAME_LENGTH if key == "displayname" else MAX_AVATAR_URL_LENGTH
    if len(value) > limit:
        raise invalid_param(f"{key} is longer than {limit} characters")
    if key == "avatar_url" and value and not value.startswith("mxc://"):
        raise invalid_param("avatar_url must be an mxc:// URI")


def _encoded(fields: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise bad_json("The value cannot be stored") from error
