"""Putting a response on the wire: headers, CORS, compression, streaming.

Spec: client-server API, "Web Browser Clients".
"""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from ranvier.http.response import Header, Response

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Respond = Callable[[bytes, bytes], Awaitable[None]]
"""Takes the head without its empty line, and the body."""

CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization"),
)
_CORS_LINES: Final = b"\r\n" + b"".join(b"%b: %b\r\n" % header for header in CORS)
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii")) for status in HTTPStatus
} | {499: b"HTTP/1.1 499 Client Closed Request\r\n"}
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


async def send_response(send: Send, respond: Respond | None, response: Response, *, date: Header, is_cors: bool) -> int:
    """Send `response`, with `respond` if the server offers it; the size of its body."""
    if response.stream is not None:
        return await _send_stream(send, response, _headers(response, date, is_cors=is_cors))
    body = response.body
    if respond is None:
        headers = _headers(response, date, is_cors=is_cors)
        if response.status != 204:
            headers.append((b"content-type", response.content_type))
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await respond(_head(response, date, is_cors=is_cors), body)
    return len(body)


def _headers(response: Response, date: Header, *, is_cors: bool) -> list[Header]:
    return [date, *(CORS if is_cors else ()), *response.headers]


def _head(response: Response, date: Header, *, is_cors: bool) -> bytes:
    """Status line and headers of a response that is complete."""
    parts = [_STATUS_LINES[response.status], b"date: ", date[1], _CORS_LINES if is_cors else b"\r\n"]
    for name, value in response.headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError(f"the header {name!r} would break the response")
        parts += (name, b": ", value, b"\r\n")
    if response.status != 204:
        parts.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (response.content_type, len(response.body)))
    return b"".join(parts)


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
