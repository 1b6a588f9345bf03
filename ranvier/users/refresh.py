"""Exchanging a refresh token. Spec: client-server API, "Refreshing access tokens"."""

from ranvier.db.engine import Database
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.store import tokens, users
from ranvier.store.tokens import RefreshToken
from ranvier.users.issue_login import IssuedTokens, LoginIssuer
from ranvier.users.locking import user_locked
from ranvier.users.sessions import Sessions
from ranvier.users.token_text import token_digest


class Refreshing:
    """Gives out the next pair of tokens of a login."""

    def __init__(self, *, db: Database, clock: Clock, issuer: LoginIssuer, sessions: Sessions) -> None:
        self._db = db
        self._clock = clock
        self._issuer = issuer
        self._sessions = sessions

    async def refresh(self, refresh_token: str) -> IssuedTokens:
        """A new pair. The old one is revoked when the new one is first used; until then this can be repeated.

        Raises 401 `M_UNKNOWN_TOKEN`, with `soft_logout` if the token has expired, and `M_USER_LOCKED`.
        """
        async with self._db.write() as tx:
            found = await tokens.claim_refresh(tx, token_digest(refresh_token))
            if found is None:
                raise MatrixError(401, "M_UNKNOWN_TOKEN", "Unknown refresh token", extra={"soft_logout": False})
            self._check_expiry(found)
            user = await users.by_id(tx, found.user_id)
            if user is not None and user.locked:
                raise user_locked()
            # This token is being used: whatever it replaced is revoked. What replaced it was never used, else it
            # would be gone itself, so a repetition takes its place.
            await tokens.delete_predecessors(tx, found.token_nid)
            if found.next_nid is not None:
                await tokens.delete_pair(tx, found.next_nid)
            issued, next_nid = await self._issuer.issue_pair(
                tx, found.user_id, found.device_id, session_expires_ts=found.session_expires_ts
            )
            await tokens.replace_refresh(tx, found.token_nid, next_nid)
        self._sessions.forget_user(found.user_id)
        return issued

    def _check_expiry(self, found: RefreshToken) -> None:
        now_ms = self._clock.now_ms()
        for expires_ts in (found.expires_ts, found.session_expires_ts):
            if expires_ts is not None and expires_ts <= now_ms:
                raise MatrixError(401, "M_UNKNOWN_TOKEN", "The refresh token has expired", extra={"soft_logout": True})
