"""A route as data: what the dispatcher, the OpenAPI document and the coverage of the spec all read."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ranvier.http.request import Request
from ranvier.http.response import Response

JSON_BODY_LIMIT_BYTES = 1 << 20
"""Enough for every JSON request of the spec: the largest are key uploads and to-device messages."""


class Auth(enum.Enum):
    """Which access token, or what else, a request must carry."""

    NONE = "none"
    """Any token is ignored."""
    OPTIONAL = "optional"
    """A token is checked if there is one; `request.has_requester` tells."""
    USER = "user"
    ADMIN = "admin"
    """The token of a server admin."""
    FEDERATION = "federation"
    """The signature of another server; `request.origin` is its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    In `path` a segment `{name}` matches one segment that is not empty, percent-decoded into `request.params["name"]`.
    A path that ends in `/` is another path than the one that does not.
    """

    method: str
    path: str
    call: Callable[[Request], Awaitable[Response]]
    auth: Auth
    resource: str = "client"
    """The listener resource that serves it."""
    guest: bool = False
    """Whether guests may call it."""
    locked: bool = False
    """Whether locked users may call it (logging out)."""
    limit: str | None = None
    """The rate-limit class (a configuration key such as `rc_registration`), spent per user, or per address where there
    is no user. Finer limits are the domain's."""
    body: type | None = None
    """The msgspec type that the JSON body must have; read it with `request.json(type)`."""
    query: type | None = None
    """The `msgspec.Struct` of the query string; read it with `request.query(type)`."""
    answer: type | None = None
    """The msgspec type of the answer, for the OpenAPI document."""
    body_limit_bytes: int = JSON_BODY_LIMIT_BYTES
    stream: bool = False
    """Leave the body unread: the call reads it with `request.stream()`."""
    cancel: bool | None = None
    """Whether the call is cancelled when its client goes away. `None`: as the method says, GET yes, others no (what
    changes something is finished, so that the client's retry finds it done)."""
    spec: str = ""
    """The spec's section or operation."""
    summary: str = ""


def paths(suffix: str, *, versions: tuple[str, ...] = ("r0", "v3"), api: str = "client") -> tuple[str, ...]:
    """One path of the client API under several versions: `paths("/login")` is `/_matrix/client/r0/login` and v3's."""
    return tuple(f"/_matrix/{api}/{version}{suffix}" for version in versions)


def routes(
    method: str,
    at: str | tuple[str, ...],
    call: Callable[[Request], Awaitable[Response]],
    *,
    auth: Auth = Auth.USER,
    resource: str = "client",
    guest: bool = False,
    locked: bool = False,
    limit: str | None = None,
    body: type | None = None,
    query: type | None = None,
    answer: type | None = None,
    body_limit_bytes: int = JSON_BODY_LIMIT_BYTES,
    stream: bool = False,
    cancel: bool | None = None,
    spec: str = "",
    summary: str = "",
) -> list[Route]:
    """The same route at each path of `at`: `routes("GET", paths("/account/whoami"), self.whoami)`."""
    return [
        Route(
            method=method,
            path=path,
            call=call,
            auth=auth,
            resource=resource,
            guest=guest,
            locked=locked,
            limit=limit,
            body=body,
            query=query,
            answer=answer,
            body_limit_bytes=body_limit_bytes,
            stream=stream,
            cancel=cancel,
            spec=spec,
            summary=summary,
        )
        for path in ((at,) if isinstance(at, str) else at)
    ]
