"""Proving to others who one is. Spec: client-server API, "OpenID"; server-server API, "OpenID"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.openid import LIFETIME_S, OpenId


class OpenIdToken(msgspec.Struct):
    """A token to give to somebody else."""

    access_token: str
    token_type: str
    matrix_server_name: str
    expires_in: int


class UserInfoQuery(msgspec.Struct):
    """The token that somebody was given."""

    access_token: str


class UserInfo(msgspec.Struct):
    """Whose it is."""

    sub: str


class OpenIdApi:
    """Gives out tokens to users, and tells services whose they are."""

    def __init__(self, *, openid: OpenId, server_name: str) -> None:
        self._openid = openid
        self._server_name = server_name

    def routes(self) -> list[Route]:
        """The module's routes; the second is for those whom a user has given a token, wherever they are."""
        return [
            *routes(
                "POST", paths("/user/{user_id}/openid/request_token"), self.request_token, auth=Auth.USER,
                body=dict, answer=OpenIdToken, spec="requestOpenIdToken", summary="A token that proves who one is",
            ),
            *routes(
                "GET", "/_matrix/federation/v1/openid/userinfo", self.userinfo, auth=Auth.NONE, resource="openid",
                query=UserInfoQuery, answer=UserInfo, spec="exchangeOpenIdToken", summary="Whose token this is",
            ),
        ]  # fmt: skip

    async def request_token(self, request: Request) -> Response:
        """A new token."""
        request.json_object()
        token = await self._openid.issue(request.requester, request.params["user_id"])
        return json_response(OpenIdToken(token, "Bearer", self._server_name, LIFETIME_S))

    async def userinfo(self, request: Request) -> Response:
        """Whose token this is."""
        return json_response(UserInfo(await self._openid.user_of(request.query(UserInfoQuery).access_token)))
