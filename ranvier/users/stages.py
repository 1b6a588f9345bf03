"""The authentication types of user-interactive authentication that this server knows.

Spec: client-server API, "Authentication types".
"""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.proto.errors import MatrixError, bad_json, missing_param
from ranvier.users.interactive_auth import AuthSession
from ranvier.users.locking import user_locked
from ranvier.users.password_login import PasswordCheck
from ranvier.users.registration_tokens import RegistrationTokens

DUMMY: Final = "m.login.dummy"
PASSWORD: Final = "m.login.password"
EMAIL_IDENTITY: Final = "m.login.email.identity"
REGISTRATION_TOKEN: Final = "m.login.registration_token"
TERMS: Final = "m.login.terms"
SSO: Final = "m.login.sso"
RECAPTCHA: Final = "m.login.recaptcha"


class DummyStage:
    """Always succeeds."""

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        return True


class PasswordStage:
    """The password of the user who asks; the result is their id."""

    def __init__(self, *, passwords: PasswordCheck) -> None:
        self._passwords = passwords

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        password = auth.get("password")
        if not isinstance(password, str):
            raise missing_param("auth.password is missing")
        user = await self._passwords.check(auth, password)
        if user.locked:
            raise user_locked()
        if session.user_id is not None and user.user_id != session.user_id:
            raise MatrixError(403, "M_FORBIDDEN", "This is another user's password")
        return user.user_id


class RegistrationTokenStage:
    """A token that allows registration; the result is the token, which is reserved for the session."""

    def __init__(self, *, tokens: RegistrationTokens) -> None:
        self._tokens = tokens

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        token = auth.get("token")
        if token is None:
            raise missing_param("auth.token is missing")
        if not isinstance(token, str):
            raise bad_json("auth.token must be a string")
        if not await self._tokens.reserve(token, session.session_id):
            raise MatrixError(401, "M_UNAUTHORIZED", "Invalid registration token")
        return token


class TermsStage:
    """Agreeing to the server's policies; the result is the version that was shown."""

    def __init__(self, *, version: str) -> None:
        self._version = version

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        return self._version


class SsoStage:
    """Signing on once more; that is done in a browser, and never by what a client says."""

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        raise MatrixError(403, "M_FORBIDDEN", "This stage has to be completed in a browser")
