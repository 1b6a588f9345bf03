"""Proving again who one is, before something that a stolen access token must not be able to do.

Spec: client-server API, "User-Interactive Authentication API". Configuration: `ui_auth.session_timeout`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ranvier.config.sections import PasswordConfig
from ranvier.ports import Clock
from ranvier.proto.errors import forbidden
from ranvier.users.interactive_auth import AuthSession, Flow, InteractiveAuth
from ranvier.users.requester import Requester
from ranvier.users.stages import EMAIL_IDENTITY, PASSWORD, SSO

_MAX_PROVED: Final = 10_000


class Reauthentication:
    """Asks for the password. Application services are not asked."""

    def __init__(
        self,
        *,
        interactive_auth: InteractiveAuth,
        config: PasswordConfig,
        clock: Clock,
        session_timeout_ms: int = 0,
        sends_mail: bool = False,
    ) -> None:
        """`sends_mail`: whether who has no access token may follow a link in a mail instead."""
        self.ways: Callable[[str], Awaitable[tuple[bool, bool]]] | None = None
        """Whether a user has a password, and is known to a provider of single sign-on; `None` where there is none."""
        self._interactive_auth = interactive_auth
        self._is_possible = config.enabled_for_reauth and config.localdb_enabled
        self._clock = clock
        self._sends_mail = sends_mail
        self._session_timeout_ms = session_timeout_ms
        self._proved: dict[int, int] = {}
        """Until when each access token need not prove it again, in the order of proof."""

    async def require(
        self, requester: Requester, auth: Mapping[str, Any] | None, *, operation: str, lately_is_enough: bool = False
    ) -> AuthSession | None:
        """Raises 401 `InteractiveAuthRequired`; 403 `M_FORBIDDEN` where nothing can be asked for.

        With `lately_is_enough` a proof counts that this login gave not long ago, for whatever it was.
        """
        if requester.appservice_id is not None:
            return None
        if not self._is_possible and self.ways is None:
            raise forbidden("This server has no way to confirm who you are")
        if lately_is_enough and self._has_proved(requester):
            return None
        flows = await self._flows(requester.user_id)
        session = await self._interactive_auth.require(
            auth, operation=operation, flows=flows, user_id=requester.user_id
        )
        self._note(requester)
        return session

    async def require_user(self, auth: Mapping[str, Any] | None, *, operation: str) -> tuple[str, AuthSession]:
        """Without an access token: the user whose password was given, or who was written to. Raises as `require`."""
        flows = [*([(PASSWORD,)] if self._is_possible else []), *([(EMAIL_IDENTITY,)] if self._sends_mail else [])]
        if not flows:
            raise forbidden("This server has no way to confirm who you are")
        session = await self._interactive_auth.require(auth, operation=operation, flows=flows, user_id=None)
        proved = PASSWORD if PASSWORD in session.completed else EMAIL_IDENTITY
        return str(session.completed[proved]), session

    def end(self, session: AuthSession | None) -> None:
        """What was asked for has been done."""
        if session is not None:
            self._interactive_auth.end(session)

    async def _flows(self, user_id: str) -> list[Flow]:
        """Raises 403 `M_FORBIDDEN` for who can prove nothing."""
        if self.ways is None:
            return [(PASSWORD,)]
        has_password, signs_on = await self.ways(user_id)
        flows = [*([(SSO,)] if signs_on else []), *([(PASSWORD,)] if has_password and self._is_possible else [])]
        if not flows:
            raise forbidden("This server has no way to confirm who you are")
        return list(flows)

    def _has_proved(self, requester: Requester) -> bool:
        return self._proved.get(requester.token_nid or 0, 0) > self._clock.now_ms()

    def _note(self, requester: Requester) -> None:
        if not self._session_timeout_ms or requester.token_nid is None:
            return
        self._proved.pop(requester.token_nid, None)
        self._proved[requester.token_nid] = self._clock.now_ms() + self._session_timeout_ms
        if len(self._proved) > _MAX_PROVED:
            del self._proved[next(iter(self._proved))]
