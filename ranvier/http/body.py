"""Reading a request's body: whole or piece by piece, never more than the route allows."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from ranvier.proto.errors import MatrixError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class ClientGone(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


async def read_body(receive: Receive, *, limit_bytes: int, announced_bytes: int | None) -> bytes:
    """The whole body. Raises 413 `M_TOO_LARGE` (at once, if the announced length is too large) and `ClientGone`."""
    if announced_bytes is not None and announced_bytes > limit_bytes:
        raise _too_large()
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit_bytes:
            raise _too_large()
        return body
    parts = [body]
    async for part in _rest(receive, len(body), limit_bytes):
        parts.append(part)
    return b"".join(parts)


async def stream_body(receive: Receive, *, limit_bytes: int, announced_bytes: int | None) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises like `read_body`."""
    if announced_bytes is not None and announced_bytes > limit_bytes:
        raise _too_large()
    async for part in _rest(receive, 0, limit_bytes):
        yield part


async def _rest(receive: Receive, size_bytes: int, limit_bytes: int) -> AsyncIterator[bytes]:
    more = True
    while more:
        if size_bytes > limit_bytes:
            raise _too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size_bytes += len(part)
        if part and size_bytes <= limit_bytes:
            yield part
    if size_bytes > limit_bytes:
        raise _too_large()


def _too_large() -> MatrixError:
    return MatrixError(413, "M_TOO_LARGE", "The request body is too large")
