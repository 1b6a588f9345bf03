"""Putting a response on the wire: headers, CORS, compression, streaming.

Spec: client-server API, "Web Browser Clients".
"""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any, Final

from ranvier.http.response import Header, Response

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization"),
)
_SERVER_ONLY: Final = frozenset({"federation", "keys", "replication", "metrics", "health"})
"""Resources that no browser talks to."""

_COMPRESS_FROM_BYTES = 1024
_COMPRESS_IN_THREAD_FROM_BYTES = 32 * 1024


def wants_cors(resource: str) -> bool:
    """Whether answers of this resource carry the CORS headers."""
    return resource not in _SERVER_ONLY


class DateHeader:
    """The `Date` header, formatted once a second."""

    __slots__ = ("_header", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._header: Header = (b"date", b"")

    def now(self) -> Header:
        """The header for this moment."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._header = (b"date", formatdate(second, usegmt=True).encode("ascii"))
        return self._header


async def send_response(send: Send, response: Response, *, date: Header, is_cors: bool) -> int:
    """Send `response`; the size of its body. Nothing is sent twice, whatever happens meanwhile."""
    headers: list[Header] = [date]
    if is_cors:
        headers += CORS
    if response.headers:
        headers += response.headers
    if response.stream is not None:
        return await _send_stream(send, response, headers)
    body = response.body
    if response.status != 204:
        headers.append((b"content-type", response.content_type))
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return len(body)


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


async def _send_stream(send: Send, response: Response, headers: list[Header]) -> int:
    headers.append((b"content-type", response.content_type))
    if response.length_bytes is not None:
        headers.append((b"content-length", b"%d" % response.length_bytes))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    size_bytes = 0
    assert response.stream is not None
    async for part in response.stream:
        if part:
            size_bytes += len(part)
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return size_bytes
