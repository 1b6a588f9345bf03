"""One connection: requests are served in the order in which they came, each answer in one write.

There is nothing between the parser and the application, no timer and no second task for a request, because one that is
answered at once should cost little more than the system calls. Why not a server of somebody else's: docs/architecture.md.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ranvier.http.body import ClientGone
from ranvier.http.connections import KEEP_ALIVE, LINGER, SILENCE, Connections
from ranvier.http.dispatch import HttpApp
from ranvier.http.exchange import Exchange
from ranvier.http.reader import RequestReader
from ranvier.proto.errors import MatrixError

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 0.5
"""How long a client that has closed its side is answered. It may only have said that it asks nothing more; but so does one
that has left, and nobody can tell them apart."""
MIN_BODY_BYTES: Final = 16 * 1024
"""What a client must send of a body, within `SILENCE` sweeps, to be allowed to go on."""
DISCARD_BYTES: Final = 64 * 1024
"""How much of a body that nobody wanted is read for the sake of the connection."""
_MAX_WAITING: Final = 8
"""With more requests waiting behind one another nothing is read."""

_KEEP: Final = b"\r\n"
_CLOSE: Final = b"connection: close\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client; the wire of its exchanges and the flow of their bodies."""

    __slots__ = (
        "_app",
        "_connections",
        "_current",
        "_drained",
        "_is_chunked",
        "_is_closing",
        "_is_half_closed",
        "_is_held",
        "_is_lost",
        "_is_paused",
        "_is_starting",
        "_is_stopping",
        "_is_tls",
        "_is_write_paused",
        "_keep",
        "_loop",
        "_may_continue",
        "_reader",
        "_seen",
        "_seen_body_bytes",
        "_seen_since",
        "_transport",
        "_unsent_bytes",
        "_unsent_since",
        "task",
    )

    _reader: RequestReader
    _transport: asyncio.Transport

    def __init__(self, app: HttpApp, connections: Connections, *, is_tls: bool) -> None:
        self._app = app
        self._connections = connections
        self._is_tls = is_tls
        self._loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] | None = None
        self._current: Exchange | None = None
        self._drained: asyncio.Future[None] | None = None
        self._keep = True
        self._may_continue = False
        self._is_chunked = False
        self._is_closing = False
        self._is_half_closed = False
        self._is_held = False
        self._is_lost = False
        self._is_paused = False
        self._is_starting = False
        self._is_stopping = False
        self._is_write_paused = False
        self._seen = ("", 0)
        self._seen_since = connections.now
        self._seen_body_bytes = 0
        self._unsent_bytes = 0
        self._unsent_since = connections.now

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's is one
        """A client has connected."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        client_ip = peer[0] if isinstance(peer, tuple) else ""
        self._reader = RequestReader(self, self, client_ip=client_ip, scheme="https" if self._is_tls else "http")
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_closing:
            return
        reader = self._reader
        reader.feed(data)
        if self._current is None:
            self._start_next()
        if reader.begun:
            self._set_reading()

    def eof_received(self) -> bool:
        """The client sends nothing more; what it has sent is answered."""
        if self._is_closing or (self._current is None and not self._reader.begun):
            return False
        self._is_half_closed = True
        self._reader.end()
        if self._current is not None:
            self._loop.call_later(PATIENCE_S, self._give_up, self._current)
        # TLS knows no half-closed connections.
        return not self._is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or we have closed."""
        self._is_lost = self._is_closing = True
        self._reader.close()
        self._wake()
        if self._current is None:
            self._connections.discard(self)
        else:
            self._current.client_left()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_write_paused = False
        self._wake()
        if self._current is None:
            self._start_next()

    # What the application calls, by way of the exchange.

    def answer(self, head: bytes, body: bytes) -> None:
        """Send a whole answer."""
        exchange = self._current
        if exchange is None or self._is_lost:
            return
        exchange.is_answered = True
        end = self._end_of_head(exchange)
        self._transport.write(head + end if exchange.method == "HEAD" else b"".join((head, end, body)))
        self._forget_body(exchange)

    def begin_stream(self, head: bytes, *, is_chunked: bool) -> None:
        """Send the head of an answer whose pieces follow."""
        exchange = self._current
        if exchange is None or self._is_lost:
            return
        self._is_chunked = False
        if is_chunked and exchange.http_version == "1.0":
            # Only the end of the connection can end the body.
            exchange.keep_alive = False
        elif is_chunked:
            self._is_chunked = exchange.method != "HEAD"
            head += b"transfer-encoding: chunked\r\n"
        self._transport.write(head + self._end_of_head(exchange))

    async def send(self, part: bytes) -> None:
        """Send a piece."""
        if self._is_lost:
            raise ClientGone
        self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if self._is_chunked else part)
        if self._is_write_paused:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None
            if self._is_lost:
                raise ClientGone

    def end_stream(self) -> None:
        """That was the last piece."""
        exchange = self._current
        if exchange is None or self._is_lost:
            return
        if self._is_chunked:
            self._transport.write(b"0\r\n\r\n")
        exchange.is_answered = True
        self._forget_body(exchange)

    def hold_body(self) -> None:
        """Read nothing for now."""
        self._is_held = True
        self._set_reading()

    def want_body(self) -> None:
        """Read on."""
        if self._is_held:
            self._is_held = False
            self._set_reading()
        exchange = self._current
        if self._may_continue and exchange is not None and self._reader.incoming is exchange:
            self._may_continue = False
            if _expects_continue(exchange):
                self._transport.write(_CONTINUE)

    # What the listener calls.

    def sweep(self, now: int) -> None:
        """Close if the client is too slow. What changed since the last sweep may go on."""
        if self._is_lost:
            return
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes == 0 or unsent_bytes != self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self._unsent_since = now
        elif now - self._unsent_since >= SILENCE:
            self._transport.abort()
            return
        phase = self._phase()
        if self._seen != (phase, self._reader.count):
            self._seen = (phase, self._reader.count)
            self._seen_since = now
            self._seen_body_bytes = self._reader.body_bytes
            return
        elapsed = now - self._seen_since
        if phase == "body" and elapsed >= SILENCE:
            if self._reader.body_bytes - self._seen_body_bytes < MIN_BODY_BYTES:
                self._transport.abort()
            self._seen_since = now
            self._seen_body_bytes = self._reader.body_bytes
        elif phase == "closing" and elapsed >= LINGER and unsent_bytes == 0:
            self._transport.abort()
        elif (phase == "idle" and elapsed >= KEEP_ALIVE) or (phase in {"new", "head"} and elapsed >= SILENCE):
            self._close()

    def shut_down(self) -> None:
        """Close as soon as the request being served is answered."""
        self._is_stopping = True
        if self._current is None and not self._is_closing:
            self._close()

    def stop_serving(self) -> None:
        """Send away a client that waits for news."""
        if self._current is not None:
            self._current.stop_serving()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _phase(self) -> str:
        """What the client could be slow with."""
        if self._is_closing:
            return "closing"
        if self._reader.incoming is not None and not self._is_paused:
            return "body"
        if self._current is not None or self._reader.begun:
            return "serving"
        if self._reader.is_in_head:
            return "head"
        return "idle" if self._reader.count else "new"

    def _start_next(self) -> None:
        """Serve the requests that wait, as far as they can be answered at once, and the first that cannot."""
        if self._is_starting:
            return
        self._is_starting = True
        reader = self._reader
        while self._current is None and reader.begun and not (self._is_write_paused or self._is_closing):
            self._serve(reader.begun.popleft())
        self._is_starting = False
        if self._is_paused:
            self._set_reading()
        if self._current is None and not reader.begun and not self._is_closing:
            if reader.failure is not None:
                self._refuse(reader.failure)
            elif reader.is_ended:
                self._close()

    def _serve(self, exchange: Exchange) -> None:
        self._current = exchange
        self._may_continue = True
        try:
            work = self._app.begin(exchange)
        except Exception:
            logger.exception("Failed to serve %s", exchange.method)
            work = None
        if work is None:
            self._ended(exchange)
            return
        if self._is_half_closed:
            self._loop.call_later(PATIENCE_S, self._give_up, exchange)
        task = _start(self._loop, self._run(exchange, work))
        if self._current is exchange:
            self.task = exchange.task = task

    async def _run(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            logger.exception("Failed to serve %s", exchange.method)
        finally:
            self._ended(exchange)

    def _ended(self, exchange: Exchange) -> None:
        """The work for the current request is done."""
        self._current = self.task = None
        if self._is_lost:
            self._connections.discard(self)
        elif not exchange.is_answered:
            self._transport.abort()
        elif not self._keep:
            self._close()
        elif self._reader.begun or self._reader.is_ended:
            self._start_next()

    def _end_of_head(self, exchange: Exchange) -> bytes:
        """The end of a response's head; decides whether the connection is used again."""
        reader = self._reader
        keep = exchange.keep_alive and not self._is_stopping
        if keep and reader.incoming is exchange:
            # A client that waits for leave to send its body may send it or not: nobody knows what its next bytes are.
            keep = _announced_bytes(exchange) <= DISCARD_BYTES and not (
                self._may_continue and _expects_continue(exchange)
            )
        if self._is_half_closed and not reader.begun:
            keep = False
        self._keep = keep
        self._may_continue = False
        return _KEEP if keep else _CLOSE

    def _forget_body(self, exchange: Exchange) -> None:
        if self._reader.incoming is exchange and exchange.body is not None:
            exchange.body.ignore()

    def _refuse(self, error: MatrixError) -> None:
        """Answer what was no request."""
        head, body = self._app.refusal(error)
        self._transport.write(b"".join((head, _CLOSE, body)))
        self._close()

    def _close(self) -> None:
        """Close once everything is sent; if the client still sends, not before it had time to read the answer."""
        self._is_closing = True
        reader = self._reader
        reader.begun.clear()
        if self._is_half_closed or not (reader.is_cut_short or reader.incoming is not None):
            self._transport.close()
            return
        self._is_held = False
        self._set_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _set_reading(self) -> None:
        """Read from the client or do not, whichever is right now."""
        is_paused = self._is_held or len(self._reader.begun) > _MAX_WAITING
        if is_paused == self._is_paused or self._is_lost:
            return
        self._is_paused = is_paused
        if is_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _give_up(self, exchange: Exchange) -> None:
        if self._current is exchange:
            exchange.client_left()

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)


def protocol_factory(app: HttpApp, connections: Connections, *, is_tls: bool) -> Callable[[], asyncio.Protocol]:
    """What a listening socket makes for each client."""

    def protocol() -> asyncio.Protocol:
        return Connection(app, connections, is_tls=is_tls)

    return protocol


def _start(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task for `work`; where Python can, it runs at once until it has to wait."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


def _expects_continue(exchange: Exchange) -> bool:
    return exchange.http_version != "1.0" and any(
        name == b"expect" and value.lower() == b"100-continue" for name, value in exchange.headers
    )


def _announced_bytes(exchange: Exchange) -> float:
    """The length that the client has announced; without one there is no bound."""
    for name, value in exchange.headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return float("inf")
