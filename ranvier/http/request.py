"""One HTTP request, as the API modules see it.

The dispatcher has routed it, authenticated it and read its body before an API module gets it. The typed parts are asked
for by type, `request.json(LoginBody)` and `request.query(SyncQuery)`, and were declared on the route with that type.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from ranvier.http.json_body import decode_body, decode_object
from ranvier.http.query_string import decode_query
from ranvier.proto.errors import invalid_param
from ranvier.users.requester import Requester

T = TypeVar("T")


class Request:
    """A request; everything that costs time is read when it is asked for."""

    __slots__ = (
        "_body_stream",
        "_headers",
        "_query_pairs",
        "_requester",
        "client_ip",
        "content",
        "method",
        "origin",
        "params",
        "path",
        "query_string",
        "raw_headers",
        "request_id",
        "scheme",
        "user_agent",
    )

    def __init__(
        self,
        *,
        method: str,
        path: bytes,
        query_string: bytes = b"",
        raw_headers: list[tuple[bytes, bytes]] | None = None,
        params: Mapping[str, str] = MappingProxyType({}),
        content: bytes = b"",
        client_ip: str = "",
        user_agent: str = "",
        request_id: str = "-",
        scheme: str = "http",
        requester: Requester | None = None,
    ) -> None:
        self.method = method
        self.path = path
        """The path as sent, still percent-encoded."""
        self.query_string = query_string
        self.raw_headers = raw_headers if raw_headers is not None else []
        self.params = params
        """The path's parameters, percent-decoded."""
        self.content = content
        """The body's bytes (empty on routes that stream)."""
        self.client_ip = client_ip
        self.user_agent = user_agent
        self.request_id = request_id
        self.scheme = scheme
        """`http` or `https`, as the client sees it."""
        self.origin = ""
        """The server that has signed the request (`Auth.FEDERATION`)."""
        self._requester = requester
        self._headers: dict[str, str] | None = None
        self._query_pairs: list[tuple[str, str]] | None = None
        self._body_stream: Callable[[], AsyncIterator[bytes]] | None = None

    def admit(self, requester: Requester | None) -> None:
        """The dispatcher has learnt who asks."""
        self._requester = requester

    def open_stream(self, body_stream: Callable[[], AsyncIterator[bytes]]) -> None:
        """The dispatcher leaves the body to `stream`."""
        self._body_stream = body_stream

    @property
    def requester(self) -> Requester:
        """Who asks. Raises `LookupError` where there was no token."""
        if self._requester is None:
            raise LookupError("this request has no requester")
        return self._requester

    @property
    def has_requester(self) -> bool:
        """Whether a valid token came with it (on `Auth.OPTIONAL` routes)."""
        return self._requester is not None

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name; of repeated ones the last."""
        if self._headers is None:
            self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.raw_headers}
        return self._headers

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The query string in order. Raises 400 `M_INVALID_PARAM` if it is not UTF-8."""
        if self._query_pairs is None:
            self._query_pairs = parse_query_string(self.query_string)
        return self._query_pairs

    def query(self, kind: type[T]) -> T:
        """The query string as `kind`, a `msgspec.Struct`. Raises 400 `M_MISSING_PARAM` or `M_INVALID_PARAM`."""
        return decode_query(self.query_pairs, kind)

    def json(self, kind: type[T]) -> T:
        """The body as `kind`. An empty body counts as `{}` where `kind` requires nothing.

        Raises 400 `M_NOT_JSON`, or `M_BAD_JSON` naming the field.
        """
        return decode_body(self.content, kind)

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object of any shape. Raises like `json`."""
        return decode_object(self.content)

    def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, on routes declared with `stream=True`.

        Raises 413 `M_TOO_LARGE` once the route's limit is passed.
        """
        if self._body_stream is None:
            raise LookupError("this route does not stream its body")
        return self._body_stream()


def parse_query_string(raw: bytes) -> list[tuple[str, str]]:
    """`a=1&b=` in pairs. Raises 400 `M_INVALID_PARAM` if it is not UTF-8 or has very many parameters."""
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise invalid_param("The query string is not valid UTF-8, percent-encoded") from None
