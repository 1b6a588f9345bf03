"""A request's body on its way in: whole or piece by piece, never more than the route allows.

What has come and was not read yet is bounded: past `BUFFER_BYTES` the connection stops reading from its client, until
somebody who may take more asks.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from ranvier.proto.errors import MatrixError

BUFFER_BYTES = 64 * 1024


class ClientGone(Exception):
    """The client went away before its request was complete, or its answer; there is nobody to answer."""


class Flow(Protocol):
    """Where a body comes from."""

    def hold_body(self) -> None:
        """Read no more of it for now."""
        ...

    def want_body(self) -> None:
        """Read on; somebody waits for it."""
        ...


class Body:
    """The body of one request. The connection feeds it, one reader reads it, either with `read` or with `stream`."""

    __slots__ = (
        "_allowed_bytes",
        "_failure",
        "_flow",
        "_is_complete",
        "_is_ignored",
        "_is_streamed",
        "_parts",
        "_size_bytes",
        "_waiter",
    )

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._allowed_bytes = BUFFER_BYTES
        self._is_complete = False
        self._is_ignored = False
        self._is_streamed = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, part: bytes) -> None:
        """A piece has come."""
        if self._is_ignored:
            return
        self._parts.append(part)
        self._size_bytes += len(part)
        if self._size_bytes > self._allowed_bytes:
            self._flow.hold_body()
            self._wake()
        elif self._is_streamed:
            self._wake()

    def finish(self) -> None:
        """That was the last piece. What comes next is not held back for this body's sake."""
        self._is_complete = True
        self._flow.want_body()
        self._wake()

    def fail(self, failure: Exception) -> None:
        """There will be no last piece; the reader is told why."""
        if not self._is_complete:
            self._failure = failure
            self._wake()

    def ignore(self) -> None:
        """Nobody will read what is left."""
        self._is_ignored = True
        self._parts.clear()
        self._size_bytes = 0
        self._flow.want_body()

    async def read(self, *, limit_bytes: int, announced_bytes: int | None) -> bytes:
        """The whole body. Raises 413 `M_TOO_LARGE` (at once, if the announced length is too large) and `ClientGone`."""
        if announced_bytes is not None and announced_bytes > limit_bytes:
            raise _too_large()
        self._allowed_bytes = limit_bytes
        while True:
            if self._size_bytes > limit_bytes:
                raise _too_large()
            if self._is_complete:
                return self._take()
            await self._more()

    async def stream(self, *, limit_bytes: int, announced_bytes: int | None) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises like `read`."""
        if announced_bytes is not None and announced_bytes > limit_bytes:
            raise _too_large()
        self._is_streamed = True
        total_bytes = 0
        while True:
            total_bytes += self._size_bytes
            if total_bytes > limit_bytes:
                raise _too_large()
            if self._parts:
                yield self._take()
            elif self._is_complete:
                return
            else:
                await self._more()

    def _take(self) -> bytes:
        parts = self._parts
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size_bytes = 0
        return content

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        self._flow.want_body()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Ended:
    """The flow of a body that is complete."""

    def hold_body(self) -> None:
        """Nothing flows."""

    def want_body(self) -> None:
        """Nothing flows."""


def complete_body(content: bytes = b"") -> Body:
    """A body that has come already."""
    body = Body(_Ended())
    if content:
        body.feed(content)
    body.finish()
    return body


def _too_large() -> MatrixError:
    return MatrixError(413, "M_TOO_LARGE", "The request body is too large")
