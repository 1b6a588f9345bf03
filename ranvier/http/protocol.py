"""The HTTP protocol on one connection: uvicorn's, with bounds on what a client may send before it has asked anything, and
a short way out for answers that are complete.

Most answers are one small piece of JSON. ASGI sends them in two messages with a list of headers, which uvicorn checks and
joins one by one; that costs as much as everything we do ourselves. So the scope offers `extensions["ranvier.respond"]`,
which writes a head and a body that are ready. Without it (another server, tests) plain ASGI is used.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together."""
SILENCE_S = 60
"""How long a connection may be open without a request."""
KEEP_ALIVE_S = 30
"""How long a connection is kept after an answer. Longer than reverse proxies wait between the requests of a busy client,
short enough that idle ones do not pile up."""
LINGER_S = 2
"""How long a client that still sends its body may go on after it was answered and told that the connection closes.
Closing at once would reset the connection, and the client would never see the answer."""


class _Cycle(RequestResponseCycle):
    """One request and its response."""

    async def respond(self, head: bytes, body: bytes) -> None:
        """Send a whole response. `head` is the status line and the headers, `Content-Length` included."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = True
        self.waiting_for_100_continue = False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        if self.scope["method"] == "HEAD":
            self.transport.write(head + end)
        else:
            self.transport.write(b"".join((head, end, body)))
        self.response_complete = True
        # The scope holds this method and with it us: without this every request would be left to the garbage collector.
        self.scope["extensions"] = {}
        self.message_event.set()
        if not self.keep_alive:
            self._close()
        self.on_response()

    def _close(self) -> None:
        if not self.more_body:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)


class Connection(HttpToolsProtocol):
    """Closes connections that send nothing, or a request head without end."""

    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; the timer stops with its first byte."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(SILENCE_S, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()
            elif self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(SILENCE_S, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """A request line begins."""
        self._is_in_head = True
        self._head_bytes = 0
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """The head is complete: serve the request, or queue it behind the one before it."""
        self._is_in_head = False
        version = self.parser.get_http_version()
        path, query = _split(self.url)
        extensions: dict[str, Any] = {}
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "root_path": "",
            # Undecoded: the router decodes each segment by itself.
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": self.headers,
            "client": self.client,
            "server": self.server,
            "extensions": extensions,
        }
        self.scope = scope
        earlier = self.cycle
        cycle = self.cycle = _Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        extensions["ranvier.respond"] = cycle.respond
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Path and query string of a request target. Raises `httptools.HttpParserError`, which becomes a 400."""
    if url.startswith(b"/") and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""


def protocol_factory(app: Callable[..., Any], state: ServerState) -> Callable[[], asyncio.Protocol]:
    """What a listening socket makes for each connection; `state` collects the connections."""
    # The signal handlers, the logging and the main loop of uvicorn stay unused: they belong to the process, not to us.
    config = Config(
        app=app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()

    def protocol() -> asyncio.Protocol:
        return Connection(config=config, server_state=state, app_state={})

    return protocol
