"""Putting a response on the wire: headers, CORS, compression, streaming.

Spec: client-server API, "Web Browser Clients".
"""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from ranvier.http.exchange import Exchange
from ranvier.http.response import JSON, Header, Response

CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization"),
)
_CORS_LINES: Final = b"".join(b"%b: %b\r\n" % header for header in CORS)
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii")) for status in HTTPStatus
}
_SERVER_ONLY: Final = frozenset({"federation", "keys", "replication", "metrics", "health"})
"""Resources that no browser talks to."""

_COMPRESS_FROM_BYTES = 1024
_COMPRESS_IN_THREAD_FROM_BYTES = 32 * 1024


def wants_cors(resource: str) -> bool:
    """Whether answers of this resource carry the CORS headers."""
    return resource not in _SERVER_ONLY


class CommonLines:
    """The header lines that all responses have: `Date`, and those of CORS where asked for. Made once a second."""

    __slots__ = ("_plain", "_second", "_with_cors")

    def __init__(self) -> None:
        self._second = 0
        self._plain = b""
        self._with_cors = b""

    def now(self, *, is_cors: bool) -> bytes:
        """The lines for this moment."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._plain = b"date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
            self._with_cors = self._plain + _CORS_LINES
        return self._with_cors if is_cors else self._plain


def head_of(response: Response, common_lines: bytes) -> bytes:
    """Status line and headers, without the empty line. Raises `ValueError` for a header that would break out of its
    line.
    """
    status = response.status
    parts = [_STATUS_LINES[status], common_lines]
    for name, value in response.headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError(f"the header {name!r} would break the response")
        parts += (name, b": ", value, b"\r\n")
    length = len(response.body) if response.stream is None else response.length_bytes
    if length is None:
        parts.append(b"content-type: %b\r\n" % response.content_type)
    elif response.content_type is JSON and status != 204:
        parts.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % length)
    elif status != 204:
        parts.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (response.content_type, length))
    return b"".join(parts)


async def send_stream(exchange: Exchange, response: Response, head: bytes) -> int:
    """Send a response that has a `stream`; the size of its body. Raises `ClientGone`, and what the stream raises.

    Raises `ValueError` if the stream is not as long as the response said.
    """
    stream = response.stream
    assert stream is not None
    size_bytes = 0
    try:
        exchange.wire.begin_stream(head, is_chunked=response.length_bytes is None)
        if exchange.method != "HEAD":
            async for part in stream:
                if part:
                    size_bytes += len(part)
                    if response.length_bytes is not None and size_bytes > response.length_bytes:
                        break
                    await exchange.wire.send(part)
            if response.length_bytes not in (None, size_bytes):
                raise ValueError(f"a body of {response.length_bytes} bytes was announced and has another length")
        exchange.wire.end_stream()
    finally:
        await _close(stream)
    return size_bytes


async def _close(stream: AsyncIterator[bytes]) -> None:
    """Let a generator end now, and not when it is collected."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


async def compressed(response: Response, headers: list[Header]) -> Response:
    """`response` with its body gzipped, if the request's `headers` allow that and it is worth the time."""
    if len(response.body) < _COMPRESS_FROM_BYTES or response.stream is not None:
        return response
    if any(name == b"content-encoding" for name, _ in response.headers) or not _accepts_gzip(headers):
        return response
    if len(response.body) < _COMPRESS_IN_THREAD_FROM_BYTES:
        body = gzip.compress(response.body, 5, mtime=0)
    else:
        body = await asyncio.to_thread(gzip.compress, response.body, 5, mtime=0)
    return Response(
        body,
        status=response.status,
        content_type=response.content_type,
        headers=[*response.headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")],
    )


def _accepts_gzip(headers: list[Header]) -> bool:
    for name, value in headers:
        if name == b"accept-encoding":
            for choice in value.split(b","):
                coding, _, quality = choice.partition(b";")
                if coding.strip().lower() == b"gzip":
                    return quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
