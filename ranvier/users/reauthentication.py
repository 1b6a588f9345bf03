"""Proving again who one is, before something that a stolen access token must not be able to do.

Spec: client-server API, "User-Interactive Authentication API".
"""

from collections.abc import Mapping
from typing import Any

from ranvier.config.sections import PasswordConfig
from ranvier.proto.errors import forbidden
from ranvier.users.interactive_auth import AuthSession, InteractiveAuth
from ranvier.users.requester import Requester
from ranvier.users.stages import PASSWORD


class Reauthentication:
    """Asks for the password. Application services are not asked."""

    def __init__(self, *, interactive_auth: InteractiveAuth, config: PasswordConfig) -> None:
        self._interactive_auth = interactive_auth
        self._is_possible = config.enabled_for_reauth and config.localdb_enabled

    async def require(
        self, requester: Requester, auth: Mapping[str, Any] | None, *, operation: str
    ) -> AuthSession | None:
        """Raises 401 `InteractiveAuthRequired`; 403 `M_FORBIDDEN` where nothing can be asked for."""
        if requester.appservice_id is not None:
            return None
        if not self._is_possible:
            raise forbidden("This server has no way to confirm who you are")
        return await self._interactive_auth.require(
            auth, operation=operation, flows=[(PASSWORD,)], user_id=requester.user_id
        )

    async def require_user(self, auth: Mapping[str, Any] | None, *, operation: str) -> tuple[str, AuthSession]:
        """Without an access token: the user whose password was given. Raises as `require`."""
        if not self._is_possible:
            raise forbidden("This server has no way to confirm who you are")
        session = await self._interactive_auth.require(auth, operation=operation, flows=[(PASSWORD,)], user_id=None)
        return str(session.completed[PASSWORD]), session

    def end(self, session: AuthSession | None) -> None:
        """What was asked for has been done."""
        if session is not None:
            self._interactive_auth.end(session)
