"""Who is asking: access tokens, looked up once and remembered.

Spec: client-server API, "Using access tokens", "Soft logout", "Refreshing access tokens". A request with a token that is
remembered costs no statement. What is remembered is forgotten exactly when a token, a device or an account changes: every
change goes through a domain class that says so here after its commit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ranvier.db.engine import Database
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.store import tokens
from ranvier.store.tokens import TokenOwner
from ranvier.users.blocking import Blocking
from ranvier.users.last_seen import LastSeen
from ranvier.users.requester import Masquerade, Requester
from ranvier.users.service_sessions import ServiceSessions
from ranvier.users.token_text import token_digest

SEEN_EVERY_MS: Final = 60_000
"""How exact the time is at which a device was last seen."""
_MAX_SESSIONS: Final = 20_000


@dataclass(slots=True)
class _Session:
    requester: Requester
    expires_ts: int | None
    seen_ts: int = 0
    seen_ip: str = ""


class Sessions:
    """The tokens in use."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        last_seen: LastSeen,
        services: ServiceSessions | None = None,
        blocking: Blocking | None = None,
        size: int = _MAX_SESSIONS,
        notes_services: bool = False,
    ) -> None:
        """`notes_services`: from where application services act with devices of their users is kept, as of others."""
        self._notes_services = notes_services
        self._db = db
        self._clock = clock
        self._last_seen = last_seen
        self._services = services
        self._blocking = blocking
        self.is_expired: Callable[[str], bool] | None = None
        """Whether a user's account has ended; `None` where accounts do not end."""
        self.size = size
        """How many are remembered."""
        self._sessions: dict[bytes, _Session] = {}
        self._by_user: dict[str, set[bytes]] = {}
        self._changes = 0
        """Counts everything that was forgotten: what was read before must not be remembered after."""

    async def authenticate(
        self, token: str, *, client_ip: str = "", user_agent: str = "", masquerade: Masquerade | None = None
    ) -> Requester:
        """The bearer of `token`; whether a locked account may go on is the caller's business (`Requester.locked`).

        Users' tokens act for nobody else: `masquerade` counts for those of application services, and what
        `ServiceSessions.requester` raises is raised for them. Raises 401 `M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN` (with
        `soft_logout` if the token has expired); 403 `M_RESOURCE_LIMIT_EXCEEDED` where nobody is served.
        """
        if not token:
            raise MatrixError(401, "M_MISSING_TOKEN", "Missing access token")
        if self._blocking is not None:
            raise self._blocking.error()
        digest = token_digest(token)
        session = self._sessions.get(digest)
        if session is None:
            if self._services is not None and (service := self._services.service(digest)) is not None:
                acting = await self._services.requester(service, masquerade)
                if self._notes_services and acting.device_id is not None:
                    self._last_seen.note(
                        acting.user_id, acting.device_id, ts=self._clock.now_ms(), ip=client_ip, user_agent=user_agent
                    )
                return acting
            session = await self._load(digest)
        now_ms = self._clock.now_ms()
        if session.expires_ts is not None and session.expires_ts <= now_ms:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "The access token has expired", extra={"soft_logout": True})
        if now_ms - session.seen_ts >= SEEN_EVERY_MS or session.seen_ip != client_ip:
            self._note(session, now_ms, client_ip, user_agent)
        requester = session.requester
        if self.is_expired is not None and self.is_expired(requester.user_id):
            return replace(requester, expired=True)
        return requester

    def forget_user(self, user_id: str) -> None:
        """A user's account, devices or tokens have changed."""
        self._changes += 1
        if self._services is not None:
            self._services.forget_user(user_id)
        for digest in self._by_user.pop(user_id, ()):
            del self._sessions[digest]

    async def _load(self, digest: bytes) -> _Session:
        changes = self._changes
        owner = await tokens.owner(self._db, digest)
        if owner is None or owner.deactivated:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "Unknown access token", extra={"soft_logout": False})
        if owner.refresh_nid is not None and not owner.used:
            await self._first_use(owner, owner.refresh_nid)
            changes += 1
        session = _Session(_requester(owner), owner.expires_ts)
        if changes == self._changes:
            self._remember(digest, session)
        return session

    async def _first_use(self, owner: TokenOwner, refresh_nid: int) -> None:
        """The client has the new pair of tokens: the old one is revoked."""
        if owner.expires_ts is not None and owner.expires_ts <= self._clock.now_ms():
            return
        async with self._db.write() as tx:
            await tokens.mark_used(tx, owner.token_nid)
            await tokens.delete_predecessors(tx, refresh_nid)
        self.forget_user(owner.user_id)

    def _remember(self, digest: bytes, session: _Session) -> None:
        if len(self._sessions) >= self.size:
            for old in list(self._sessions)[: self.size // 10 + 1]:
                user_id = self._sessions.pop(old).requester.user_id
                self._by_user[user_id].discard(old)
                if not self._by_user[user_id]:
                    del self._by_user[user_id]
        self._sessions[digest] = session
        self._by_user.setdefault(session.requester.user_id, set()).add(digest)

    def _note(self, session: _Session, now_ms: int, client_ip: str, user_agent: str) -> None:
        session.seen_ts = now_ms
        session.seen_ip = client_ip
        requester = session.requester
        if requester.device_id is not None:
            self._last_seen.note(requester.user_id, requester.device_id, ts=now_ms, ip=client_ip, user_agent=user_agent)


def _requester(owner: TokenOwner) -> Requester:
    return Requester(
        user_id=owner.user_id,
        device_id=owner.device_id,
        token_nid=owner.token_nid,
        is_guest=owner.is_guest,
        is_admin=owner.is_admin,
        shadow_banned=owner.shadow_banned,
        locked=owner.locked,
        suspended=owner.suspended,
        appservice_id=owner.appservice_id,
    )
