"""Logging in. Spec: client-server API, "Login" (`/login`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ranvier.config.sections import PasswordConfig
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, forbidden, missing_param
from ranvier.proto.ids import is_user_id
from ranvier.ratelimit import RateLimiter
from ranvier.store import users
from ranvier.store.users import UserRow
from ranvier.users.application_services import LOGIN, ApplicationServices
from ranvier.users.issue_login import DeviceWish, IssuedLogin, LoginIssuer
from ranvier.users.locking import user_locked
from ranvier.users.login_tokens import LoginTokens
from ranvier.users.monthly_users import MonthlyUsers
from ranvier.users.password_login import PasswordCheck
from ranvier.users.sessions import Sessions

PASSWORD: Final = "m.login.password"
TOKEN: Final = "m.login.token"
SERVICE: Final = LOGIN
SSO: Final = "m.login.sso"


class LoginRequest(msgspec.Struct):
    """The body of `POST /login`."""

    type: str
    identifier: dict[str, Any] | None = None
    user: str | None = None
    medium: str | None = None
    address: str | None = None
    password: str | None = None
    token: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False

    def wish(self) -> DeviceWish:
        """What it asks of the new device."""
        return DeviceWish(
            device_id=self.device_id,
            display_name=self.initial_device_display_name,
            refreshable=self.refresh_token,
        )


class Login:
    """Logs users in."""

    def __init__(
        self,
        *,
        db: Database,
        config: PasswordConfig,
        passwords: PasswordCheck,
        issuer: LoginIssuer,
        sessions: Sessions,
        tokens: LoginTokens,
        attempts: RateLimiter,
        services: ApplicationServices,
        monthly: MonthlyUsers | None = None,
    ) -> None:
        self._monthly = monthly
        self.identity_providers: Sequence[dict[str, str]] = ()
        """Who else tells who somebody is, as clients are told."""
        self.others: dict[str, Callable[[LoginRequest], Awaitable[IssuedLogin]]] = {}
        """Further types, and what logs in by them."""
        self.extras: Callable[[str], Mapping[str, Any]] = lambda user_id: {}
        """What somebody else wants to be in the answer to who has just come from them."""
        self._db = db
        self._config = config
        self._passwords = passwords
        self._issuer = issuer
        self._sessions = sessions
        self._tokens = tokens
        self._attempts = attempts
        self._services = services

    def flows(self) -> list[dict[str, Any]]:
        """The types of login that this server offers."""
        flows: list[dict[str, Any]] = []
        if self._config.enabled and self._config.localdb_enabled:
            flows.append({"type": PASSWORD})
        if self.identity_providers:
            flows.append({"type": SSO, "identity_providers": list(self.identity_providers)})
        if self._tokens.enabled:
            flows.append({"type": TOKEN, "get_login_token": True})
        elif self.identity_providers:
            flows.append({"type": TOKEN})
        flows += [{"type": kind} for kind in self.others]
        if self._services.services:
            flows.append({"type": SERVICE})
        return flows

    async def login(self, wanted: LoginRequest) -> IssuedLogin:
        """A new login.

        Raises 400 `M_UNKNOWN` for a type that is not offered, 403 `M_FORBIDDEN` or `M_USER_DEACTIVATED`, 401
        `M_USER_LOCKED`, 429 `M_LIMIT_EXCEEDED`, 403 `M_RESOURCE_LIMIT_EXCEEDED`.
        """
        if wanted.type == SSO or not any(flow["type"] == wanted.type for flow in self.flows()):
            raise MatrixError(400, "M_UNKNOWN", f"Unknown login type {wanted.type[:64]}")
        self._issuer.check(wanted.wish())
        if wanted.type in self.others:
            return await self.others[wanted.type](wanted)
        if wanted.type == TOKEN:
            return await self._login_with_token(wanted)
        if wanted.password is None:
            raise missing_param("password is missing")
        claim = _claim(wanted)
        self._attempts.spend(await self._passwords.account_key(claim))
        user = await self._passwords.check(claim, wanted.password)
        return await self.admit(user, wanted.wish())

    async def login_of_service(self, token: str, wanted: LoginRequest) -> IssuedLogin:
        """A new login of a user of the application service with this token.

        Raises 401 `M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN`, 403 `M_EXCLUSIVE` for somebody else's user, `M_FORBIDDEN` for one
        without an account, `M_USER_DEACTIVATED`, 401 `M_USER_LOCKED`.
        """
        service = self._services.by_token(token)
        self._issuer.check(wanted.wish())
        user_id = await self._passwords.named(_claim(wanted))
        if not self._services.may_be(service, user_id):
            raise MatrixError(403, "M_EXCLUSIVE", "This user is not in a namespace of this application service")
        user = await users.by_id(self._db, user_id) if is_user_id(user_id) else None
        if user is None:
            raise forbidden("This application service has not registered this user")
        if user.deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
        return await self.admit(user, wanted.wish())

    async def admit(self, user: UserRow, wish: DeviceWish) -> IssuedLogin:
        """Log in somebody who has proved who they are. One transaction. Raises 401 `M_USER_LOCKED`."""
        if user.locked:
            raise user_locked()
        if self._monthly is not None:
            await self._monthly.check(user.user_id)
        async with self._db.write() as tx:
            login = await self._issuer.issue(tx, user.user_id, wish)
        if login.replaced:
            self._sessions.forget_user(user.user_id)
        return login

    async def _login_with_token(self, wanted: LoginRequest) -> IssuedLogin:
        if wanted.token is None:
            raise missing_param("token is missing")
        async with self._db.write() as tx:
            user_id = await self._tokens.take(tx, wanted.token)
            self._attempts.spend(user_id.lower())
            if self._monthly is not None:
                await self._monthly.check(user_id)
            user = await users.by_id(tx, user_id)
            if user is None or user.deactivated:
                raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
            if user.locked:
                raise user_locked()
            login = await self._issuer.issue(tx, user_id, wanted.wish())
        if login.replaced:
            self._sessions.forget_user(user_id)
        return login


def _claim(wanted: LoginRequest) -> dict[str, Any]:
    fields = ("identifier", "user", "medium", "address")
    return {name: value for name in fields if (value := getattr(wanted, name)) is not None}
