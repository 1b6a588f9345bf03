"""`/login`, `/refresh`, `/logout`. Spec: client-server API, "Login", "Refreshing access tokens"."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ranvier.api.client.well_known import client_well_known
from ranvier.config.model import Config
from ranvier.http.authenticate import bearer_token
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.issue_login import IssuedTokens
from ranvier.users.login import SERVICE, TOKEN, Login, LoginRequest
from ranvier.users.login_tokens import LoginTokens
from ranvier.users.logout import Logout
from ranvier.users.refresh import Refreshing


class LoginFlows(msgspec.Struct):
    """The types of login that are offered."""

    flows: list[dict[str, Any]]


class LoggedIn(msgspec.Struct, omit_defaults=True):
    """A new login."""

    user_id: str
    access_token: str
    device_id: str
    home_server: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None
    well_known: Mapping[str, Any] | None = None


class TokenRequest(msgspec.Struct):
    """The body of `POST /login/get_token`."""

    auth: dict[str, Any] | None = None


class LoginToken(msgspec.Struct):
    """A token for one login of another device."""

    login_token: str
    expires_in_ms: int


class RefreshRequest(msgspec.Struct):
    """The body of `POST /refresh`."""

    refresh_token: str


class Refreshed(msgspec.Struct, omit_defaults=True):
    """The next pair of tokens."""

    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None


class LoginApi:
    """Getting and giving up access tokens."""

    def __init__(
        self, *, login: Login, tokens: LoginTokens, refreshing: Refreshing, logout: Logout, config: Config
    ) -> None:
        self._login = login
        self._tokens = tokens
        self._refreshing = refreshing
        self._logout = logout
        self._server_name = config.server_name
        self._well_known = client_well_known(config)

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET",
                paths("/login"),
                self.flows,
                auth=Auth.NONE,
                answer=LoginFlows,
                spec="getLoginFlows",
                summary="The ways to log in",
            ),
            *routes(
                "POST",
                paths("/login"),
                self.log_in,
                auth=Auth.NONE,
                limit="rc_login.address",
                body=LoginRequest,
                answer=LoggedIn,
                spec="login",
                summary="Log in",
            ),
            *routes(
                "POST",
                "/_matrix/client/v1/login/get_token",
                self.get_token,
                auth=Auth.USER,
                body=TokenRequest,
                answer=LoginToken,
                spec="generateLoginToken",
                summary="A token with which another device logs in",
            ),
            *routes(
                "POST",
                paths("/refresh", versions=("v3",)),
                self.refresh,
                auth=Auth.NONE,
                body=RefreshRequest,
                answer=Refreshed,
                spec="refresh",
                summary="Exchange a refresh token",
            ),
            *routes(
                "POST",
                paths("/logout"),
                self.log_out,
                auth=Auth.USER,
                guest=True,
                locked=True,
                answer=Nothing,
                spec="logout",
                summary="End this login",
            ),
            *routes(
                "POST",
                paths("/logout/all"),
                self.log_out_everywhere,
                auth=Auth.USER,
                guest=True,
                locked=True,
                answer=Nothing,
                spec="logout_all",
                summary="End every login of the user",
            ),
        ]

    async def flows(self, request: Request) -> Response:
        """What `type` may be in `POST /login`."""
        return json_response(LoginFlows(self._login.flows()))

    async def log_in(self, request: Request) -> Response:
        """A new login."""
        wanted = request.json(LoginRequest)
        if wanted.type == SERVICE:
            login = await self._login.login_of_service(bearer_token(request), wanted)
        else:
            login = await self._login.login(wanted)
        answer = LoggedIn(
            user_id=login.user_id,
            device_id=login.device_id,
            home_server=self._server_name,
            well_known=self._well_known,
            access_token=login.tokens.access_token,
            refresh_token=login.tokens.refresh_token,
            expires_in_ms=login.tokens.expires_in_ms,
        )
        extras = self._login.extras(login.user_id) if wanted.type == TOKEN else None
        return json_response({**extras, **msgspec.to_builtins(answer)} if extras else answer)

    async def get_token(self, request: Request) -> Response:
        """A token with which another device logs in, once the user has proved who they are."""
        token, expires_in_ms = await self._tokens.issue(request.requester, request.json(TokenRequest).auth)
        return json_response(LoginToken(token, expires_in_ms))

    async def refresh(self, request: Request) -> Response:
        """The next pair of tokens."""
        return json_response(_refreshed(await self._refreshing.refresh(request.json(RefreshRequest).refresh_token)))

    async def log_out(self, request: Request) -> Response:
        """End this login."""
        await self._logout.logout(request.requester)
        return EMPTY_OBJECT

    async def log_out_everywhere(self, request: Request) -> Response:
        """End every login of the user."""
        await self._logout.logout_all(request.requester.user_id)
        return EMPTY_OBJECT


def _refreshed(tokens: IssuedTokens) -> Refreshed:
    return Refreshed(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in_ms=tokens.expires_in_ms
    )
