"""`/account/3pid/*`: e-mail addresses and telephone numbers of accounts.

Spec: client-server API, "Adding Account Administrative Contact Information". What is validated here can be added;
identity servers are not asked.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError
from ranvier.users.threepids import Threepids

_LIMIT = "rc_3pid_validation"
Secret = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.=_-]{1,255}\Z")]


class OwnThreepid(msgspec.Struct):
    """One of an account's."""

    medium: str
    address: str
    validated_at: int
    added_at: int


class ThirdPartyIdentifiers(msgspec.Struct):
    """The answer of `GET /account/3pid`."""

    threepids: list[OwnThreepid]


class Credentials(msgspec.Struct):
    """A session with an identity server."""

    client_secret: Secret
    sid: str
    id_server: str
    id_access_token: str | None = None


class OldAddition(msgspec.Struct):
    """The body of `POST /account/3pid`."""

    three_pid_creds: Credentials


class Addition(msgspec.Struct):
    """The body of `POST /account/3pid/add`."""

    client_secret: Secret
    sid: str
    auth: dict[str, Any] | None = None


class Identifier(msgspec.Struct):
    """An identifier that is to be removed."""

    medium: str
    address: str
    id_server: str | None = None


class Unbound(msgspec.Struct):
    """No identity server was asked: none was known."""

    id_server_unbind_result: str


class ThreepidApi:
    """The user's own."""

    def __init__(self, *, threepids: Threepids) -> None:
        self._threepids = threepids

    def routes(self) -> list[Route]:
        """The module's routes."""
        own = paths("/account/3pid")
        return [
            *routes(
                "GET", own, self.all, auth=Auth.USER, answer=ThirdPartyIdentifiers,
                spec="getAccount3PIDs", summary="The third-party identifiers of the account",
            ),
            *routes(
                "POST", own, self.add_by_identity_server, auth=Auth.USER, body=OldAddition,
                spec="post3PIDs", summary="Add a contact that an identity server has validated",
            ),
            *routes(
                "POST", _below(own, "add"), self.add, auth=Auth.USER, limit=_LIMIT, body=Addition, answer=Nothing,
                spec="add3PID", summary="Add a contact that this server has validated",
            ),
            *routes(
                "POST", _below(own, "bind"), self.bind, auth=Auth.USER, body=Credentials,
                spec="bind3PID", summary="Let an identity server know the user by a contact",
            ),
            *routes(
                "POST", _below(own, "delete"), self.remove, auth=Auth.USER, body=Identifier, answer=Unbound,
                spec="delete3pidFromAccount", summary="Remove a contact from the account",
            ),
            *routes(
                "POST", _below(own, "unbind"), self.unbind, auth=Auth.USER, body=Identifier, answer=Unbound,
                spec="unbind3pidFromAccount", summary="Remove a contact from an identity server",
            ),
        ]  # fmt: skip

    async def all(self, request: Request) -> Response:
        """Those that the account has."""
        rows = await self._threepids.of(request.requester.user_id)
        return json_response(
            ThirdPartyIdentifiers(
                [
                    OwnThreepid(row.medium, row.address, validated_at=row.validated_at, added_at=row.added_at)
                    for row in rows
                ]
            )
        )

    async def add_by_identity_server(self, request: Request) -> Response:
        """Raises 403 `M_THREEPID_AUTH_FAILED`: no identity server is asked."""
        request.json(OldAddition)
        self._threepids.check_may_change()
        raise MatrixError(403, "M_THREEPID_AUTH_FAILED", "No identity server could verify these credentials")

    async def add(self, request: Request) -> Response:
        """Add what was validated here; raises what `Threepids.add` raises."""
        wanted = request.json(Addition)
        await self._threepids.add(
            request.requester, session_id=wanted.sid, client_secret=wanted.client_secret, auth=wanted.auth
        )
        return EMPTY_OBJECT

    async def bind(self, request: Request) -> Response:
        """Raises 400 `M_SERVER_NOT_TRUSTED`."""
        request.json(Credentials)
        self._threepids.check_may_change()
        raise MatrixError(400, "M_SERVER_NOT_TRUSTED", "This server trusts no identity server")

    async def remove(self, request: Request) -> Response:
        """Remove it from the account; no identity server knows it from us. Raises 403 `M_FORBIDDEN`."""
        wanted = request.json(Identifier)
        await self._threepids.remove(request.requester.user_id, wanted.medium, wanted.address)
        return json_response(Unbound("no-support"))

    async def unbind(self, request: Request) -> Response:
        """No identity server knows it from us. Raises 403 `M_FORBIDDEN`."""
        request.json(Identifier)
        self._threepids.check_may_change()
        return json_response(Unbound("no-support"))


def _below(prefixes: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{name}" for prefix in prefixes)
