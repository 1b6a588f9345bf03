"""`/account/3pid/*`: e-mail addresses and telephone numbers of accounts.

Spec: client-server API, "Adding Account Administrative Contact Information". What is validated here can be added;
what identity servers validate they may know the user by.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError
from ranvier.users.threepid_bindings import ThreepidBindings
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
    id_access_token: str


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
    """Whether the identity servers have forgotten it."""

    id_server_unbind_result: str


class ThreepidApi:
    """The user's own."""

    def __init__(self, *, threepids: Threepids, bindings: ThreepidBindings) -> None:
        self._bindings = bindings
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
                "POST", own, self.add_by_identity_server, auth=Auth.USER, limit=_LIMIT, body=OldAddition, answer=Nothing,
                spec="post3PIDs", summary="The older form of `/bind`",
            ),
            *routes(
                "POST", _below(own, "add"), self.add, auth=Auth.USER, limit=_LIMIT, body=Addition, answer=Nothing,
                spec="add3PID", summary="Add a contact that this server has validated",
            ),
            *routes(
                "POST", _below(own, "bind"), self.bind, auth=Auth.USER, limit=_LIMIT, body=Credentials, answer=Nothing,
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
        """As `bind`. Raises 403 `M_THREEPID_AUTH_FAILED` for what the identity server does not accept."""
        try:
            await self._bind(request.requester.user_id, request.json(OldAddition).three_pid_creds)
        except MatrixError as error:
            if 400 < error.status < 500 and self._threepids.may_change:
                raise MatrixError(403, "M_THREEPID_AUTH_FAILED", "The identity server has not accepted this") from error
            raise
        return EMPTY_OBJECT

    async def add(self, request: Request) -> Response:
        """Add what was validated here; raises what `Threepids.add` raises."""
        wanted = request.json(Addition)
        await self._threepids.add(
            request.requester, session_id=wanted.sid, client_secret=wanted.client_secret, auth=wanted.auth
        )
        return EMPTY_OBJECT

    async def bind(self, request: Request) -> Response:
        """Raises what the identity server says, 400 `M_INVALID_PARAM`, 403 `M_FORBIDDEN`, 502, 504."""
        await self._bind(request.requester.user_id, request.json(Credentials))
        return EMPTY_OBJECT

    async def remove(self, request: Request) -> Response:
        """Remove it from the account, and let identity servers forget it. Raises 403 `M_FORBIDDEN`."""
        wanted = request.json(Identifier)
        user_id = request.requester.user_id
        await self._threepids.remove(user_id, wanted.medium, wanted.address)
        try:
            done = await self._bindings.unbind(user_id, wanted.medium, wanted.address, wanted.id_server)
        except MatrixError:
            done = False  # The account has it no more, whatever they say.
        return json_response(Unbound("success" if done else "no-support"))

    async def unbind(self, request: Request) -> Response:
        """Raises as `bind`."""
        wanted = request.json(Identifier)
        self._threepids.check_may_change()
        user_id = request.requester.user_id
        done = await self._bindings.unbind(user_id, wanted.medium, wanted.address, wanted.id_server)
        return json_response(Unbound("success" if done else "no-support"))

    async def _bind(self, user_id: str, credentials: Credentials) -> None:
        self._threepids.check_may_change()
        await self._bindings.bind(
            user_id,
            credentials.id_server,
            credentials.id_access_token,
            session_id=credentials.sid,
            client_secret=credentials.client_secret,
        )


def _below(prefixes: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{name}" for prefix in prefixes)
