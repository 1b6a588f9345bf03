"""Tokens with which a logged-in device lets another one log in. Spec: client-server API, `POST /login/get_token`.

Configuration: `login_via_existing_session`. A token is good for one login, and not for long; a password change, a logout
everywhere or a deactivation ends it too.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.config.account_sections import LoginTokenConfig
from ranvier.config.rates import RateLimit
from ranvier.db.engine import Database, Tx
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.ids import localpart_of
from ranvier.ratelimit import RateLimiter
from ranvier.store import login_tokens as store
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.requester import Requester
from ranvier.users.token_text import new_login_token, token_digest

# The spec wants this endpoint to be limited more strictly than others; no option says how.
_RATE = RateLimit(per_second=1 / 60, burst_count=5)


class LoginTokens:
    """Gives out tokens and takes them."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        random: Random,
        config: LoginTokenConfig,
        reauthentication: Reauthentication,
    ) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._config = config
        self._reauthentication = reauthentication
        self._given = RateLimiter(_RATE, clock=clock)

    @property
    def enabled(self) -> bool:
        """Whether tokens are given out."""
        return self._config.enabled

    async def issue(self, requester: Requester, auth: Mapping[str, Any] | None) -> tuple[str, int]:
        """A token, and for how many milliseconds it is valid. One transaction.

        Raises 404 `M_UNRECOGNIZED` where none are given out, 401 `InteractiveAuthRequired` each time anew, 429.
        """
        if not self._config.enabled:
            raise MatrixError(404, "M_UNRECOGNIZED", "This server does not give out login tokens")
        self._given.check(requester.user_id)
        session = None
        if self._config.require_ui_auth:
            session = await self._reauthentication.require(requester, auth, operation="POST /login/get_token")
        self._given.count(requester.user_id)
        token = await self.give(requester.user_id, lifetime_ms=self._config.token_timeout_ms)
        self._reauthentication.end(session)
        return token, self._config.token_timeout_ms

    async def give(self, user_id: str, *, lifetime_ms: int) -> str:
        """A token for somebody who has proved who they are. One transaction."""
        token = new_login_token(localpart_of(user_id), self._random)
        now_ms = self._clock.now_ms()
        async with self._db.write() as tx:
            await store.expire(tx, now_ms=now_ms)
            await store.insert(tx, token_digest(token), user_id, now_ms + lifetime_ms)
        return token

    async def take(self, tx: Tx, token: str) -> str:
        """Whose token this is; it cannot be used again once `tx` is committed. Raises 403 `M_FORBIDDEN`."""
        found = await store.take(tx, token_digest(token))
        if found is None or found[1] <= self._clock.now_ms():
            raise forbidden("Invalid login token")
        return found[0]
