"""`/account/3pid/*` and the `requestToken` endpoints: e-mail addresses and telephone numbers of accounts.

Spec: client-server API, "Adding Account Administrative Contact Information", "Account registration", "Password
management". This server sends neither mail nor texts and trusts no identity server: no account has such an identifier,
and each endpoint says so in the words that the spec has for it.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError, forbidden

_LIMIT = "rc_3pid_validation"
Secret = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.=_-]{1,255}$")]


class EmailValidation(msgspec.Struct):
    """A request to validate an e-mail address."""

    client_secret: Secret
    email: Annotated[str, Meta(pattern="^[^@]+@[^@]+$")]
    send_attempt: int
    next_link: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None


class PhoneValidation(msgspec.Struct):
    """A request to validate a telephone number."""

    client_secret: Secret
    country: str
    phone_number: str
    send_attempt: int
    next_link: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None


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
    """Endpoints of what this server does not have."""

    def __init__(self, *, may_change: bool) -> None:
        """`may_change`: whether users may remove what they have (`enable_3pid_changes`)."""
        self._may_change = may_change

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [*self._account_routes(), *self._validation_routes()]

    def _account_routes(self) -> list[Route]:
        own = paths("/account/3pid")
        return [
            *routes(
                "POST", own, self.add_by_identity_server, auth=Auth.USER, body=OldAddition,
                spec="post3PIDs", summary="Add a contact that an identity server has validated",
            ),
            *routes(
                "POST", _below(own, "add"), self.add, auth=Auth.USER, limit=_LIMIT, body=Addition,
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
                "POST", _below(own, "unbind"), self.remove, auth=Auth.USER, body=Identifier, answer=Unbound,
                spec="unbind3pidFromAccount", summary="Remove a contact from an identity server",
            ),
        ]  # fmt: skip

    def _validation_routes(self) -> list[Route]:
        calls = (
            ("/account/3pid", self.validate_for_account, "To3PID"),
            ("/register", self.validate_for_registration, "ToRegister"),
            ("/account/password", self.validate_for_password, "ToResetPassword"),
        )
        media = (("email", EmailValidation, "Email"), ("msisdn", PhoneValidation, "MSISDN"))
        return [
            route
            for prefix, call, purpose in calls
            for medium, body, name in media
            for route in routes(
                "POST", paths(f"{prefix}/{medium}/requestToken"), call, auth=Auth.NONE, limit=_LIMIT, body=body,
                spec=f"requestToken{purpose}{name}", summary="Begin to validate a contact",
            )
        ]  # fmt: skip

    async def add_by_identity_server(self, request: Request) -> Response:
        """Raises 403 `M_THREEPID_AUTH_FAILED`: no identity server is asked."""
        request.json(OldAddition)
        self._check_may_change()
        raise MatrixError(403, "M_THREEPID_AUTH_FAILED", "No identity server could verify these credentials")

    async def add(self, request: Request) -> Response:
        """Raises 403 `M_FORBIDDEN`, as the capability `m.3pid_changes` says."""
        request.json(Addition)
        raise forbidden("Accounts on this server have no third-party identifiers")

    async def bind(self, request: Request) -> Response:
        """Raises 400 `M_SERVER_NOT_TRUSTED`."""
        request.json(Credentials)
        self._check_may_change()
        raise MatrixError(400, "M_SERVER_NOT_TRUSTED", "This server trusts no identity server")

    async def remove(self, request: Request) -> Response:
        """Nothing is there to be removed, and no identity server to be told. Raises 403 `M_FORBIDDEN`."""
        request.json(Identifier)
        self._check_may_change()
        return json_response(Unbound("no-support"))

    def _check_may_change(self) -> None:
        if not self._may_change:
            raise forbidden("This server does not let its users change their third-party identifiers")

    async def validate_for_account(self, request: Request) -> Response:
        """Raises 400 `M_THREEPID_MEDIUM_NOT_SUPPORTED`."""
        _check(request)
        raise MatrixError(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "This server cannot validate such identifiers")

    async def validate_for_registration(self, request: Request) -> Response:
        """Raises 403 `M_THREEPID_DENIED`."""
        _check(request)
        raise MatrixError(403, "M_THREEPID_DENIED", "One cannot register with such an identifier here")

    async def validate_for_password(self, request: Request) -> Response:
        """Raises 400 `M_THREEPID_NOT_FOUND`."""
        _check(request)
        raise MatrixError(400, "M_THREEPID_NOT_FOUND", "No account has this identifier")


def _check(request: Request) -> None:
    """Raises 400 for a body of the wrong shape."""
    request.json(PhoneValidation if b"/msisdn/" in request.path else EmailValidation)


def _below(prefixes: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{name}" for prefix in prefixes)
