"""Users with rate limits of their own, or without any. Set by administrators; in force with the next request."""

from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.errors import invalid_param, not_found
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.ratelimit import OwnLimits
from ranvier.store import rate_overrides as store
from ranvier.store import users

_GREATEST: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class RateOverride:
    """One user's limits; 0 messages per second: none."""

    messages_per_second: int
    burst_count: int


class RateOverrides:
    """Everybody's, in memory and in the database; `limits` is what the limiters look at."""

    def __init__(self, *, db: Database, server_name: str, limits: OwnLimits) -> None:
        self._db = db
        self._server_name = server_name
        self._limits = limits
        self._known: dict[str, RateOverride] = {}

    async def load(self) -> None:
        """Put those of the database in force. One statement."""
        for user_id, per_second, burst in await store.everything(self._db):
            self._apply(user_id, RateOverride(per_second, burst))

    async def get(self, user_id: str) -> RateOverride | None:
        """A user's own limits. Raises 400 `M_INVALID_PARAM`, 404 `M_NOT_FOUND`."""
        await self._check(user_id)
        return self._known.get(user_id)

    async def set(self, user_id: str, override: RateOverride) -> None:
        """Give a user limits of their own. One transaction. Raises as `get`."""
        for value in (override.messages_per_second, override.burst_count):
            if not 0 <= value < _GREATEST:
                raise invalid_param("messages_per_second and burst_count cannot be negative")
        await self._check(user_id)
        async with self._db.write() as tx:
            await store.save(tx, user_id, override.messages_per_second, override.burst_count)
        self._apply(user_id, override)

    async def delete(self, user_id: str) -> None:
        """Limit the user as everybody. One transaction. Raises as `get`."""
        await self._check(user_id)
        async with self._db.write() as tx:
            await store.delete(tx, user_id)
        self._known.pop(user_id, None)
        self._limits.remove(user_id)

    def _apply(self, user_id: str, override: RateOverride) -> None:
        self._known[user_id] = override
        self._limits.set(user_id, override.messages_per_second, override.burst_count)

    async def _check(self, user_id: str) -> None:
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise invalid_param("Not a user of this server")
        if await users.by_id(self._db, user_id) is None:
            raise not_found("User not found")
