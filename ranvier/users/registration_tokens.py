"""Tokens that allow registration. Spec: client-server API, "Token-authenticated registration".

A token that somebody has presented is reserved for their session until it ends, so that the last use is not promised
twice. Reservations are kept in memory, like the sessions themselves.
"""

import re
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, Tx, UniqueViolation
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.store import registration_tokens as store
from ranvier.store.registration_tokens import RegistrationTokenRow
from ranvier.users.interactive_auth import SESSION_LIFETIME_MS
from ranvier.users.token_text import random_letters

MAX_TOKEN_LENGTH: Final = 64
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
_GREATEST: Final = (1 << 63) - 1
_is_token = re.compile(r"[A-Za-z0-9._~-]{1,64}").fullmatch


@dataclass(frozen=True, slots=True)
class RegistrationToken:
    """A token as administrators see it."""

    token: str
    uses_allowed: int | None
    pending: int
    completed: int
    expiry_time: int | None


class RegistrationTokens:
    """The tokens, and who is using them now."""

    def __init__(self, *, db: Database, clock: Clock, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._reserved: dict[str, dict[str, int]] = {}
        """For each token the sessions that hold it, and when they will be over."""

    async def is_valid(self, token: str) -> bool:
        """Whether somebody could register with it now."""
        if _is_token(token) is None:
            return False
        row = await store.one(self._db, token)
        return row is not None and self._is_usable(row, session_id=None)

    async def reserve(self, token: str, session_id: str) -> bool:
        """Hold one use of the token for a session; whether there was one."""
        if _is_token(token) is None:
            return False
        row = await store.one(self._db, token)
        if row is None or not self._is_usable(row, session_id=session_id):
            return False
        self._reserved.setdefault(token, {})[session_id] = self._clock.now_ms() + SESSION_LIFETIME_MS
        return True

    async def use(self, tx: Tx, token: str) -> None:
        """Count a registration. Raises 401 `M_UNAUTHORIZED` if the token was used up or deleted meanwhile."""
        if not await store.count_use(tx, token):
            raise MatrixError(401, "M_UNAUTHORIZED", "Invalid registration token")

    def release(self, token: str, session_id: str) -> None:
        """The session no longer needs its reservation."""
        sessions = self._reserved.get(token)
        if sessions is not None:
            sessions.pop(session_id, None)
            if not sessions:
                del self._reserved[token]

    async def all(self, *, valid: bool | None = None) -> list[RegistrationToken]:
        """Every token, or only those that are (not) valid now."""
        rows = await store.everything(self._db)
        return [self._shown(row) for row in rows if valid is None or self._is_usable(row, session_id=None) is valid]

    async def get(self, token: str) -> RegistrationToken:
        """One token. Raises 404 `M_NOT_FOUND`."""
        row = await store.one(self._db, token) if _is_token(token) else None
        if row is None:
            raise not_found(f"No such registration token: {token[:MAX_TOKEN_LENGTH]}")
        return self._shown(row)

    async def create(
        self, token: str | None, *, length: int = 16, uses_allowed: int | None, expiry_time: int | None
    ) -> RegistrationToken:
        """Make a token, a random one if none is given. Raises 400 `M_INVALID_PARAM`."""
        if token is None:
            if not 1 <= length <= MAX_TOKEN_LENGTH:
                raise invalid_param(f"length must be between 1 and {MAX_TOKEN_LENGTH}")
            token = random_letters(self._random, length, _ALPHABET)
        elif _is_token(token) is None:
            raise invalid_param("A token has 1 to 64 characters out of A-Z, a-z, 0-9 and ._~-")
        self._check(uses_allowed, expiry_time)
        try:
            async with self._db.write() as tx:
                await store.insert(tx, token, uses_allowed=uses_allowed, expiry_ts=expiry_time)
        except UniqueViolation as error:
            raise invalid_param(f"Token already exists: {token}") from error
        return RegistrationToken(token, uses_allowed, 0, 0, expiry_time)

    async def update(self, token: str, *, uses_allowed: int | None, expiry_time: int | None) -> RegistrationToken:
        """Set both limits. Raises 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM`."""
        before = await self.get(token)
        # A token that has expired may be given more uses, and stay expired.
        self._check(uses_allowed, None if expiry_time == before.expiry_time else expiry_time)
        async with self._db.write() as tx:
            await store.update(tx, token, uses_allowed=uses_allowed, expiry_ts=expiry_time)
        return await self.get(token)

    async def delete(self, token: str) -> None:
        """Raises 404 `M_NOT_FOUND`."""
        await self.get(token)
        async with self._db.write() as tx:
            await store.delete(tx, token)
        self._reserved.pop(token, None)

    def _check(self, uses_allowed: int | None, expiry_time: int | None) -> None:
        if uses_allowed is not None and not 0 <= uses_allowed <= _GREATEST:
            raise invalid_param("uses_allowed must not be negative")
        if expiry_time is not None and not self._clock.now_ms() <= expiry_time <= _GREATEST:
            raise invalid_param("expiry_time must not be in the past")

    def _is_usable(self, row: RegistrationTokenRow, *, session_id: str | None) -> bool:
        """Whether a use is left for this session, beside those that others hold."""
        if row.expiry_ts is not None and row.expiry_ts <= self._clock.now_ms():
            return False
        if row.uses_allowed is None:
            return True
        others = self._pending(row.token) - (session_id in self._reserved.get(row.token, ()))
        return row.completed + others < row.uses_allowed

    def _pending(self, token: str) -> int:
        now_ms = self._clock.now_ms()
        sessions = self._reserved.get(token, {})
        for session_id in [session_id for session_id, over_ts in sessions.items() if over_ts <= now_ms]:
            self.release(token, session_id)
        return len(sessions)

    def _shown(self, row: RegistrationTokenRow) -> RegistrationToken:
        return RegistrationToken(row.token, row.uses_allowed, self._pending(row.token), row.completed, row.expiry_ts)
