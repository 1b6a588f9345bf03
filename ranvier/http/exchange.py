"""One request on a connection and the way back to who sent it, as the connection hands it to the application."""

import asyncio
from typing import Protocol

from ranvier.http.body import Body, ClientGone
from ranvier.http.response import Header


class Wire(Protocol):
    """Where the answer to one request goes. When the client has gone everything but `send` is silently lost.

    A `head` is the status line and the headers, without the empty line that ends them.
    """

    def answer(self, head: bytes, body: bytes) -> None:
        """The whole answer, `Content-Length` included."""
        ...

    def begin_stream(self, head: bytes, *, is_chunked: bool) -> None:
        """The answer's head; its body follows."""
        ...

    async def send(self, part: bytes) -> None:
        """A piece of the body; waits while the client does not read. Raises `ClientGone`."""
        ...

    def end_stream(self) -> None:
        """The body is complete."""
        ...


class Exchange:
    """What the client sent, and what becomes of it."""

    __slots__ = (
        "body",
        "client_ip",
        "has_left",
        "headers",
        "http_version",
        "is_answered",
        "is_cancellable",
        "is_gone",
        "is_stopped",
        "keep_alive",
        "method",
        "path",
        "query_string",
        "scheme",
        "task",
        "wire",
    )

    def __init__(
        self,
        wire: Wire,
        method: str,
        path: bytes,
        query_string: bytes,
        headers: list[Header],
        *,
        http_version: str,
        client_ip: str,
        scheme: str,
        keep_alive: bool,
    ) -> None:
        self.wire = wire
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.http_version = http_version
        self.client_ip = client_ip
        self.scheme = scheme
        self.keep_alive = keep_alive
        """Whether the client would use the connection again."""
        self.body: Body | None = None
        """`None` if there is none."""
        self.task: asyncio.Task[None] | None = None
        self.is_answered = False
        """Whether the answer is on its way, completely."""
        self.is_cancellable = False
        """Whether the work is of no use once the client has gone."""
        self.has_left = False
        """Whether the client has gone away."""
        self.is_gone = False
        """Whether the client has gone away, and the work was cancelled for that."""
        self.is_stopped = False
        """Whether the work was cancelled by `stop_serving`."""

    def allow_cancel(self) -> None:
        """From now on the work is of no use once the client has gone. Raises `ClientGone` if it has."""
        if self.has_left:
            raise ClientGone
        self.is_cancellable = True

    def client_left(self) -> None:
        """Cancel what is of no use without the client."""
        self.has_left = True
        if self.body is not None:
            self.body.fail(ClientGone())
        if self._may_cancel():
            self.is_gone = True
            self._cancel()

    def stop_serving(self) -> None:
        """Cancel the work, if it may be, although the client is there: the server stops."""
        if self._may_cancel():
            self.is_stopped = True
            self._cancel()

    def _may_cancel(self) -> bool:
        return self.is_cancellable and not (self.is_answered or self.is_gone or self.is_stopped)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
