"""From bytes to requests: httptools' parser on one connection, and the bounds on what a client may send.

Spec: RFC 9112. Nothing here answers or waits; what is wrong with the bytes is kept in `failure` until its turn comes.
"""

from collections import deque
from typing import Final

import httptools

from ranvier.http.body import Body, ClientGone, Flow
from ranvier.http.exchange import Exchange, Wire
from ranvier.http.response import Header
from ranvier.proto.errors import MatrixError

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together."""
MAX_HEADERS: Final = 128
MAX_PIPELINED: Final = 64
"""How many requests may wait behind one another. Whoever sends more at once is served so many, and then has to connect
again."""


class RequestReader:
    """Reads the requests of one connection, one after the other."""

    def __init__(self, wire: Wire, flow: Flow, *, client_ip: str, scheme: str) -> None:
        self._wire = wire
        self._flow = flow
        self._client_ip = client_ip
        self._scheme = scheme
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._is_bulky = False
        self._latest: Exchange | None = None
        self.begun: deque[Exchange] = deque()
        """Requests whose head is complete and that nobody serves yet; take them from the left."""
        self.incoming: Exchange | None = None
        """The one whose body has not come completely."""
        self.failure: MatrixError | None = None
        """What to answer after all requests, because what followed them was none."""
        self.is_in_head = False
        self.is_ended = False
        """Whether no further request will come."""
        self.is_cut_short = False
        """Whether the client sends what nobody reads."""
        self.count = 0
        """The number of requests so far."""
        self.body_bytes = 0
        """The size of all bodies so far."""

    def feed(self, data: bytes) -> None:
        """Bytes have come."""
        if self.is_ended or self._parser is None:
            self.is_cut_short = True
            return
        size_bytes = len(data)
        self._is_bulky = size_bytes > MAX_HEAD_BYTES
        if self.is_in_head:
            self._head_bytes += size_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self._fail(_head_too_large())
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stop_at_upgrade()
        except httptools.HttpParserError:
            self._fail(_not_http())
        if self.incoming is not None and self.incoming.body is None:
            self.incoming.body = Body(self._flow)

    def end(self) -> None:
        """No more bytes will come."""
        self.is_ended = True
        if self.incoming is not None:
            if self.incoming.body is not None:
                self.incoming.body.fail(ClientGone())
            self.incoming.keep_alive = False
            self.incoming = None

    def close(self) -> None:
        """Let go of everything; parser and reader hold each other."""
        self.is_ended = True
        self._parser = None
        self.begun.clear()
        self.incoming = self._latest = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request line begins."""
        self.is_in_head = True
        self._head_bytes = 0
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete, or a trailer: those are dropped, as RFC 9110 allows."""
        if self.is_in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self.is_in_head = False
        parser = self._parser
        if self.is_ended or parser is None:
            return
        headers = self._headers
        if len(headers) > MAX_HEADERS or (self._is_bulky and _size(self._url, headers) > MAX_HEAD_BYTES):
            self._fail(_head_too_large())
            return
        try:
            path, query_string = _split(self._url)
        except httptools.HttpParserError:
            self._fail(_not_http())
            return
        version = parser.get_http_version()
        exchange = Exchange(
            self._wire,
            parser.get_method().decode("ascii"),
            path,
            query_string,
            headers,
            http_version=version,
            client_ip=self._client_ip,
            scheme=self._scheme,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
        )
        self.count += 1
        self.incoming = self._latest = exchange
        self.begun.append(exchange)

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        exchange = self.incoming
        if exchange is None:
            return
        self.body_bytes += len(part)
        if exchange.is_answered:
            return
        if exchange.body is None:
            exchange.body = Body(self._flow)
        exchange.body.feed(part)

    def on_message_complete(self) -> None:
        """The request is complete."""
        exchange = self.incoming
        if exchange is None:
            return
        self.incoming = None
        if exchange.body is not None:
            exchange.body.finish()
        if len(self.begun) > MAX_PIPELINED:
            exchange.keep_alive = False
        self.is_ended = not exchange.keep_alive

    def _fail(self, error: MatrixError) -> None:
        """Read no more, because of `error`: whoever waits for the rest of a body gets it, or the client, in its turn."""
        self.is_cut_short = True
        if self.is_ended:
            return
        self.is_ended = True
        exchange = self.incoming
        if exchange is None:
            self.failure = error
            return
        self.incoming = None
        exchange.keep_alive = False
        if exchange.body is None:
            exchange.body = Body(self._flow)
        exchange.body.fail(error)

    def _stop_at_upgrade(self) -> None:
        """The client would go on in another protocol. It is served as if it had not asked, and closes."""
        self.is_ended = self.is_cut_short = True
        if self._latest is not None:
            self._latest.keep_alive = False


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Path and query string of a request target. Raises `httptools.HttpParserError`."""
    if url.startswith(b"/") and b"#" not in url:
        path, _, query_string = url.partition(b"?")
        return path, query_string
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""


def _size(url: bytes, headers: list[Header]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def _not_http() -> MatrixError:
    return MatrixError(400, "M_UNRECOGNIZED", "This is not a valid HTTP request")


def _head_too_large() -> MatrixError:
    return MatrixError(431, "M_TOO_LARGE", "The head of the request is too large")
