"""Filters that clients have uploaded. Spec: client-server API, "Filtering".

What a filter means, and whether it is well formed, is the business of who applies it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ranvier.db.engine import Database, UniqueViolation
from ranvier.proto.errors import bad_json, forbidden, not_found
from ranvier.store import filters as store
from ranvier.users.requester import Requester

_MAX_CACHED: Final = 5_000
_MAX_DIGITS: Final = 18


class Filters:
    """Stores definitions, which never change; those that were read are kept in memory."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._cache: dict[tuple[str, str], bytes] = {}

    async def add(self, requester: Requester, user_id: str, definition: Mapping[str, Any]) -> str:
        """The id of a definition, the same for the same one. One transaction. Raises 403 `M_FORBIDDEN`."""
        if requester.user_id != user_id:
            raise forbidden("Cannot create filters for other users")
        try:
            encoded = msgspec.json.encode(definition, order="sorted")
        except (OverflowError, UnicodeError, RecursionError) as error:
            raise bad_json("The filter cannot be stored") from error
        try:
            return await self._insert(user_id, encoded)
        except UniqueViolation:
            # Two devices stored filters at the same moment and took the same number.
            return await self._insert(user_id, encoded)

    async def get(self, requester: Requester, user_id: str, filter_id: str) -> bytes:
        """A definition, as JSON. Raises 403 `M_FORBIDDEN`, 404 `M_NOT_FOUND`. No statement if it is remembered."""
        if requester.user_id != user_id:
            raise forbidden("Cannot get filters of other users")
        definition = self._cache.get((user_id, filter_id))
        if definition is None:
            definition = await self._load(user_id, filter_id)
        return definition

    async def _insert(self, user_id: str, definition: bytes) -> str:
        async with self._db.write() as tx:
            return str(await store.insert(tx, user_id, definition))

    async def _load(self, user_id: str, filter_id: str) -> bytes:
        is_number = filter_id.isascii() and filter_id.isdecimal() and len(filter_id) <= _MAX_DIGITS
        definition = await store.definition(self._db, user_id, int(filter_id)) if is_number else None
        if definition is None:
            raise not_found("No such filter")
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[user_id, filter_id] = definition
        return definition
