"""`/_synapse/admin/v1/registration_tokens`. Manual: admin API, "Registration Tokens"."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.registration_tokens import RegistrationToken, RegistrationTokens

TOKENS: Final = "/_synapse/admin/v1/registration_tokens"
TOKEN: Final = TOKENS + "/{token}"


class TokenQuery(msgspec.Struct):
    """Absent: valid ones and others."""

    valid: bool | None = None


class ShownToken(msgspec.Struct):
    """One token."""

    token: str
    uses_allowed: int | None
    pending: int
    completed: int
    expiry_time: int | None


class TokenList(msgspec.Struct):
    """All of them."""

    registration_tokens: list[ShownToken]


class NewToken(msgspec.Struct):
    """What it is to be; without `token` a random one of this length."""

    token: str | None = None
    length: int = 16
    uses_allowed: int | None = None
    expiry_time: int | None = None


class TokenChange(msgspec.Struct):
    """What is absent stays; null: without limit."""

    uses_allowed: int | UnsetType | None = UNSET
    expiry_time: int | UnsetType | None = UNSET


class RegistrationTokensApi:
    """Makes, shows, changes and deletes tokens."""

    def __init__(self, *, tokens: RegistrationTokens) -> None:
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", TOKENS, self.list, auth=Auth.ADMIN, query=TokenQuery, answer=TokenList,
                summary="The tokens with which one may register"),
            *routes("POST", f"{TOKENS}/new", self.create, auth=Auth.ADMIN, body=NewToken, answer=ShownToken,
                summary="Make a token"),
            *routes("GET", TOKEN, self.get, auth=Auth.ADMIN, answer=ShownToken, summary="One token"),
            *routes("PUT", TOKEN, self.update, auth=Auth.ADMIN, body=TokenChange, answer=ShownToken,
                summary="Change the limits of a token"),
            *routes("DELETE", TOKEN, self.delete, auth=Auth.ADMIN, answer=Nothing, summary="Delete a token"),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """By name."""
        found = await self._tokens.all(valid=request.query(TokenQuery).valid)
        return json_response(TokenList([_shown(token) for token in found]))

    async def create(self, request: Request) -> Response:
        """400 for one that exists."""
        wanted = request.json(NewToken)
        token = await self._tokens.create(
            wanted.token, length=wanted.length, uses_allowed=wanted.uses_allowed, expiry_time=wanted.expiry_time
        )
        return json_response(_shown(token))

    async def get(self, request: Request) -> Response:
        """404 if there is no such token."""
        return json_response(_shown(await self._tokens.get(request.params["token"])))

    async def update(self, request: Request) -> Response:
        """404 if there is no such token."""
        wanted = request.json(TokenChange)
        before = await self._tokens.get(request.params["token"])
        uses, expiry = wanted.uses_allowed, wanted.expiry_time
        token = await self._tokens.update(
            before.token,
            uses_allowed=before.uses_allowed if uses is UNSET else uses,
            expiry_time=before.expiry_time if expiry is UNSET else expiry,
        )
        return json_response(_shown(token))

    async def delete(self, request: Request) -> Response:
        """404 if there is no such token."""
        await self._tokens.delete(request.params["token"])
        return EMPTY_OBJECT


def _shown(token: RegistrationToken) -> ShownToken:
    return ShownToken(token.token, token.uses_allowed, token.pending, token.completed, token.expiry_time)
