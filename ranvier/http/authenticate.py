"""The access token of a request, and what a route demands of its bearer.

Spec: client-server API, "Client Authentication", "Account locking", "Guest access"; application services, "Identity
assertion".
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from ranvier.http.request import Request
from ranvier.http.route import Auth, Route
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.users.requester import Masquerade, Requester


class Authenticator(Protocol):
    """Knows access tokens."""

    async def authenticate(
        self, token: str, *, client_ip: str, user_agent: str, masquerade: Masquerade | None
    ) -> Requester:
        """The bearer of `token`.

        `masquerade` is only for tokens of application services. Raises 401 `M_UNKNOWN_TOKEN` (`soft_logout` as the spec
        says), and 403 `M_EXCLUSIVE` or `M_FORBIDDEN` for a masquerade that is not allowed.
        """
        ...


class ServerAuthenticator(Protocol):
    """Knows the signatures of other servers."""

    async def authenticate_server(self, *, method: str, target: str, headers: Collection[str], body: bytes) -> str:
        """The server that has signed a request; `headers` are those for authorisation.

        Raises 401 `M_UNAUTHORIZED`, 403 `M_FORBIDDEN`.
        """
        ...


class NoUsers:
    """An `Authenticator` that knows nobody."""

    async def authenticate(
        self, token: str, *, client_ip: str, user_agent: str, masquerade: Masquerade | None
    ) -> Requester:
        """Raises 401 `M_UNKNOWN_TOKEN`."""
        raise MatrixError(401, "M_UNKNOWN_TOKEN", "Unknown access token")


class NoServers:
    """A `ServerAuthenticator` that lets nobody in."""

    async def authenticate_server(self, *, method: str, target: str, headers: Collection[str], body: bytes) -> str:
        """Raises 401 `M_UNAUTHORIZED`."""
        raise MatrixError(401, "M_UNAUTHORIZED", "This server does not federate")


def check_is_signed(authorization: bytes) -> None:
    """Refuse what nobody claims to have signed before its body is read: it may be large. Raises 401 `M_UNAUTHORIZED`."""
    if not authorization[:9].lower().startswith(b"x-matrix "):
        raise MatrixError(401, "M_UNAUTHORIZED", "The request is not signed")


async def admit_server(request: Request, servers: ServerAuthenticator) -> None:
    """Note which server has signed the request, whose body has been read. Raises as `ServerAuthenticator`."""
    target = request.path if not request.query_string else request.path + b"?" + request.query_string
    request.origin = await servers.authenticate_server(
        method=request.method,
        target=target.decode("latin-1"),
        headers=[value.decode("latin-1") for name, value in request.raw_headers if name == b"authorization"],
        body=request.content,
    )


async def admit(route: Route, request: Request, authorization: bytes, authenticator: Authenticator) -> Requester | None:
    """Who may call `route` with this request. `authorization` is the header's value, empty if there is none.

    Raises 401 `M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN` or `M_USER_LOCKED`, 403 `M_GUEST_ACCESS_FORBIDDEN` or `M_FORBIDDEN`.
    """
    token = _token(authorization, request)
    if not token:
        if route.auth is Auth.OPTIONAL:
            return None
        raise MatrixError(401, "M_MISSING_TOKEN", "Missing access token")
    masquerade = _masquerade(request.query_pairs) if b"_id=" in request.query_string else None
    requester = await authenticator.authenticate(
        token, client_ip=request.client_ip, user_agent=request.user_agent, masquerade=masquerade
    )
    if requester.locked and not route.locked:
        raise MatrixError(401, "M_USER_LOCKED", "This account has been locked", extra={"soft_logout": True})
    if requester.expired and not route.locked:
        raise MatrixError(403, "ORG_MATRIX_EXPIRED_ACCOUNT", "This account has ended")
    if requester.is_guest and not route.guest:
        raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may not do this")
    if route.auth is Auth.ADMIN and not requester.is_admin:
        raise forbidden("You are not a server admin")
    return requester


def bearer_token(request: Request) -> str:
    """The token of a request to a route that demands none; empty if there is none."""
    authorization = next((value for name, value in request.raw_headers if name == b"authorization"), b"")
    return _token(authorization, request)


def _token(authorization: bytes, request: Request) -> str:
    """The bearer token of the header, or the deprecated `access_token` of the query string."""
    if authorization:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            return token.strip().decode("latin-1")
    if b"access_token=" in request.query_string:
        return _first(request.query_pairs, "access_token") or ""
    return ""


def _masquerade(pairs: Sequence[tuple[str, str]]) -> Masquerade | None:
    user_id = _first(pairs, "user_id")
    # MSC4326 (spec v1.17) calls it `device_id`; deployed services still send the unstable name.
    device_id = _first(pairs, "device_id") or _first(pairs, "org.matrix.msc3202.device_id")
    return None if user_id is None and device_id is None else Masquerade(user_id=user_id, device_id=device_id)


def _first(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((value for key, value in pairs if key == name), None)
