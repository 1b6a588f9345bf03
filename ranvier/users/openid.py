"""Tokens by which users prove to somebody else who they are. Spec: client-server API, "OpenID"."""

from typing import Final

from ranvier.db.engine import Database
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.store import openid_tokens as store
from ranvier.users.requester import Requester
from ranvier.users.token_text import new_session_id, token_digest

LIFETIME_S: Final = 3600


class OpenId:
    """Gives out tokens, and says whose they are."""

    def __init__(self, *, db: Database, clock: Clock, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._random = random

    async def issue(self, requester: Requester, user_id: str) -> str:
        """A token for the requester, valid for `LIFETIME_S`; it opens nothing but `user_of`. One transaction.

        Raises 403 for another user's.
        """
        if user_id != requester.user_id:
            raise forbidden("Cannot make tokens for other users")
        now_ms = self._clock.now_ms()
        token = new_session_id(self._random)
        async with self._db.write() as tx:
            await store.expire(tx, now_ms=now_ms)
            await store.insert(tx, token_digest(token), user_id, now_ms + LIFETIME_S * 1000)
        return token

    async def user_of(self, token: str) -> str:
        """Whose token this is. Raises 401 `M_UNKNOWN_TOKEN`."""
        user_id = await store.user_of(self._db, token_digest(token), now_ms=self._clock.now_ms())
        if user_id is None:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Access token unknown or expired")
        return user_id
