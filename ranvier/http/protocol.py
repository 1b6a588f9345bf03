"""The HTTP protocol on one connection: uvicorn's, with bounds on what a client may send before it has asked anything."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together."""
SILENCE_S = 60
"""How long a connection may be open without a request."""
KEEP_ALIVE_S = 30
"""How long a connection is kept after an answer. Longer than reverse proxies wait between the requests of a busy client,
short enough that idle ones do not pile up."""


class BoundedProtocol(HttpToolsProtocol):
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
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The head is complete; the request starts to be served."""
        self._is_in_head = False
        super().on_headers_complete()


def protocol_factory(app: Callable[..., Any], state: ServerState) -> Callable[[], asyncio.Protocol]:
    """What a listening socket makes for each connection; `state` collects the connections."""
    # The signal handlers, the logging and the main loop of uvicorn stay unused: they belong to the process, not to us.
    config = Config(
        app=app,
        http=BoundedProtocol,
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
        return BoundedProtocol(config=config, server_state=state, app_state={})

    return protocol
