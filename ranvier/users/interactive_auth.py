"""User-interactive authentication: proving something, in stages, before a delicate call succeeds.

Spec: client-server API, "User-Interactive Authentication API". Sessions are kept in memory: a client whose session is gone
is given a new one. A session belongs to one operation of one user, and to nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, bad_json, invalid_param
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
    flows: Sequence[Flow] = ()
    """What it can be completed by, as the client was told last."""
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
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
        self._stages = dict(stages)
        self._sessions: dict[str, AuthSession] = {}

    def offer(self, kind: str, stage: Stage) -> None:
        """One more authentication type."""
        self._stages[kind] = stage

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
        session.flows, session.params = flows, params or {}
        if auth is None:
            raise _required(session)
        if auth.get("session") not in (None, session.session_id):
            raise _required(session, "M_UNKNOWN", "Unknown session: start again")
        if (kind := auth.get("type")) is not None:
            await self._attempt(kind, auth, session)
        if not any(_is_complete(flow, session) for flow in flows):
            raise _required(session)
        return session

    def page(self, session_id: str, kind: str) -> AuthSession:
        """The session whose stage `kind` somebody completes on a page of ours ("Fallback").

        Raises 400 `M_INVALID_PARAM` if it is over, or this is not the stage to do now.
        """
        session = self._sessions.get(session_id)
        if session is None or self._is_over(session):
            raise invalid_param("This authentication session is over: start again")
        if kind not in session.completed and kind not in _next_stages(session):
            raise invalid_param("This stage is not to be done now")
        return session

    async def complete(self, session: AuthSession, kind: str, auth: Mapping[str, Any]) -> None:
        """Complete a stage on a page of ours. Raises what the stage raises."""
        if kind not in session.completed:
            session.completed[kind] = await self._stages[kind].attempt(auth, session)

    def prove(self, session: AuthSession, kind: str, found: object) -> None:
        """A stage has been completed where no client can say so itself."""
        session.completed.setdefault(kind, found)

    def end(self, session: AuthSession) -> None:
        """The operation has succeeded; the session cannot be used again."""
        self._sessions.pop(session.session_id, None)

    def is_live(self, session_id: str) -> bool:
        """Whether the session can still be completed."""
        session = self._sessions.get(session_id)
        return session is not None and not self._is_over(session)

    async def _attempt(self, kind: object, auth: Mapping[str, Any], session: AuthSession) -> None:
        if not isinstance(kind, str):
            raise bad_json("auth.type must be a string")
        if kind in session.completed:
            return
        if kind not in _next_stages(session):
            raise _required(session, "M_UNRECOGNIZED", f"{kind[:64]} is not a stage to do now")
        try:
            session.completed[kind] = await self._stages[kind].attempt(auth, session)
        except MatrixError as error:
            # Who is locked out cannot do better by trying again.
            if error.status not in (401, 403) or error.errcode == "M_USER_LOCKED":
                raise
            raise _required(session, error.errcode, error.error) from error

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


def _required(session: AuthSession, errcode: str = "", error: str = "") -> InteractiveAuthRequired:
    extra: dict[str, object] = {
        "session": session.session_id,
        "flows": [{"stages": list(flow)} for flow in session.flows],
        "params": session.params,
    }
    if session.completed:
        extra["completed"] = list(session.completed)
    return InteractiveAuthRequired(extra, errcode=errcode, error=error)


def _is_complete(flow: Flow, session: AuthSession) -> bool:
    return all(stage in session.completed for stage in flow)


def _next_stages(session: AuthSession) -> set[str]:
    """What may come next: stages of a flow are completed in order."""
    done = list(session.completed)
    return {flow[len(done)] for flow in session.flows if len(flow) > len(done) and list(flow[: len(done)]) == done}
