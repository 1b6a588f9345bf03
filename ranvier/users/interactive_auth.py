"""User-interactive authentication: proving something, in stages, before a delicate call succeeds.

Spec: client-server API, "User-Interactive Authentication API". Sessions are kept in memory: a client whose session is gone
is given a new one. A session belongs to one operation of one user, and to nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, bad_json
from ranvier.users.token_text import new_session_id

SESSION_LIFETIME_MS: Final = 30 * 60_000
_MAX_SESSIONS: Final = 10_000

Flow = Sequence[str]


class InteractiveAuthRequired(MatrixError):
    """401: the client has to complete a stage. Has an `errcode` only when an attempt has failed; else it is empty."""

    def __init__(self, extra: Mapping[str, object], *, errcode: str = "", error: str = "") -> None:
        super().__init__(401, errcode, error, extra=extra)


@dataclass(slots=True)
class AuthSession:
    """One run through the stages."""

    session_id: str
    operation: str
    user_id: str | None
    started_ts: int
    completed: dict[str, object] = field(default_factory=dict)
    """What each completed stage found out (for instance the registration token), in the order of completion."""


class Stage(Protocol):
    """One authentication type."""

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        """What the client has proved with `auth`.

        Raises `MatrixError` if it proved nothing; those with status 401 and 403 invite a second attempt.
        """
        ...


class InteractiveAuth:
    """The sessions, and the stages that this server knows."""

    def __init__(self, *, clock: Clock, random: Random, stages: Mapping[str, Stage]) -> None:
        self._clock = clock
        self._random = random
        self._stages = stages
        self._sessions: dict[str, AuthSession] = {}

    async def require(
        self,
        auth: Mapping[str, Any] | None,
        *,
        operation: str,
        flows: Sequence[Flow],
        user_id: str | None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> AuthSession:
        """The session, when all stages of a flow are completed.

        `auth` is the key of that name of the request's body, `operation` says what is being authorised. Raises
        `InteractiveAuthRequired` while stages are missing. When the operation has succeeded, `end` the session.
        """
        session = self._session(auth, operation, user_id)
        if auth is None:
            raise self._required(session, flows, params)
        if auth.get("session") not in (None, session.session_id):
            raise self._required(session, flows, params, "M_UNKNOWN", "Unknown session: start again")
        if (kind := auth.get("type")) is not None:
            await self._attempt(kind, auth, session, flows, params)
        if not any(_is_complete(flow, session) for flow in flows):
            raise self._required(session, flows, params)
        return session

    def end(self, session: AuthSession) -> None:
        """The operation has succeeded; the session cannot be used again."""
        self._sessions.pop(session.session_id, None)

    def is_live(self, session_id: str) -> bool:
        """Whether the session can still be completed."""
        session = self._sessions.get(session_id)
        return session is not None and not self._is_over(session)

    async def _attempt(
        self,
        kind: object,
        auth: Mapping[str, Any],
        session: AuthSession,
        flows: Sequence[Flow],
        params: Mapping[str, Mapping[str, Any]] | None,
    ) -> None:
        if not isinstance(kind, str):
            raise bad_json("auth.type must be a string")
        if kind in session.completed:
            return
        if kind not in _next_stages(flows, session):
            raise self._required(session, flows, params, "M_UNRECOGNIZED", f"{kind[:64]} is not a stage to do now")
        try:
            session.completed[kind] = await self._stages[kind].attempt(auth, session)
        except MatrixError as error:
            if error.status not in (401, 403):
                raise
            raise self._required(session, flows, params, error.errcode, error.error) from error

    def _session(self, auth: Mapping[str, Any] | None, operation: str, user_id: str | None) -> AuthSession:
        session_id = None if auth is None else auth.get("session")
        if session_id is not None and not isinstance(session_id, str):
            raise bad_json("auth.session must be a string")
        known = self._sessions.get(session_id) if session_id is not None else None
        if known is not None and (known.operation, known.user_id) == (operation, user_id) and not self._is_over(known):
            return known
        session = AuthSession(new_session_id(self._random), operation, user_id, self._clock.now_ms())
        self._sessions[session.session_id] = session
        self._forget_old()
        return session

    def _is_over(self, session: AuthSession) -> bool:
        return session.started_ts + SESSION_LIFETIME_MS <= self._clock.now_ms()

    def _forget_old(self) -> None:
        """Sessions stand in the order of their start."""
        for session in list(self._sessions.values())[:2]:
            if self._is_over(session) or len(self._sessions) > _MAX_SESSIONS:
                del self._sessions[session.session_id]

    def _required(
        self,
        session: AuthSession,
        flows: Sequence[Flow],
        params: Mapping[str, Mapping[str, Any]] | None,
        errcode: str = "",
        error: str = "",
    ) -> InteractiveAuthRequired:
        extra: dict[str, object] = {
            "session": session.session_id,
            "flows": [{"stages": list(flow)} for flow in flows],
            "params": params or {},
        }
        if session.completed:
            extra["completed"] = list(session.completed)
        return InteractiveAuthRequired(extra, errcode=errcode, error=error)


def _is_complete(flow: Flow, session: AuthSession) -> bool:
    return all(stage in session.completed for stage in flow)


def _next_stages(flows: Sequence[Flow], session: AuthSession) -> set[str]:
    """What may come next: stages of a flow are completed in order."""
    done = list(session.completed)
    return {flow[len(done)] for flow in flows if len(flow) > len(done) and list(flow[: len(done)]) == done}
