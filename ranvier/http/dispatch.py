"""The ASGI application of one listener: from bytes on a socket to a call of an API module, and back.

Every answer leaves through here, so what must hold for all of them is written once: the error format, CORS, no stack
trace on the wire, one line in the log, no work for a client that has gone.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from ranvier.http.access_log import AccessLog, Served
from ranvier.http.authenticate import Authenticator, admit
from ranvier.http.body import ClientGone, Receive, read_body, stream_body
from ranvier.http.client_address import forwarded_address, forwarded_scheme
from ranvier.http.disconnect import PATIENCE_S, DisconnectWatch
from ranvier.http.reply import DateHeader, Respond, Send, compressed, send_response, wants_cors
from ranvier.http.request import Request
from ranvier.http.request_id import RequestIds
from ranvier.http.response import TEXT, Header, Response, error_response
from ranvier.http.route import Auth
from ranvier.http.router import Router
from ranvier.log_context import current_request
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter

logger = logging.getLogger(__name__)

Scope = dict[str, Any]

_HEALTHY: Final = Response(b"OK", content_type=TEXT)
_PREFLIGHT: Final = Response(status=204)
_GONE: Final = Response(status=499)
"""Stands for the answer that nobody waited for."""
_INTERNAL_ERROR: Final = MatrixError(500, "M_UNKNOWN", "Internal server error")
_STOPPING: Final = MatrixError(503, "M_UNKNOWN", "The server is being stopped; try again")
_BODYLESS: Final = frozenset({"GET", "HEAD"})


class HttpApp:
    """What one listener serves."""

    def __init__(
        self,
        *,
        router: Router,
        authenticator: Authenticator,
        limiters: Mapping[str, RateLimiter],
        access_log: AccessLog,
        request_ids: RequestIds,
        x_forwarded: bool = False,
        compressed_resources: frozenset[str] = frozenset(),
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._router = router
        self._authenticator = authenticator
        self._limiters = limiters
        self._access_log = access_log
        self._request_ids = request_ids
        self._x_forwarded = x_forwarded
        self._compressed_resources = compressed_resources
        self._patience_s = patience_s
        self._date = DateHeader()
        self._watches: set[DisconnectWatch] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope; only `http` ones exist here."""
        if scope["type"] != "http":
            raise RuntimeError(f"ASGI scope {scope['type']} is not served")
        if scope["raw_path"] == b"/health":
            await send_response(send, _respond_of(scope), _HEALTHY, date=self._date.now(), is_cors=False)
            return
        served = self._access_log.begin()
        request, authorization, announced_bytes = self._read_head(scope)
        current_request.set(request.request_id)
        exchange = _Exchange(receive, send, _respond_of(scope), request, served)
        response = await self._respond(exchange, authorization, announced_bytes)
        if served is not None:
            self._log(scope, exchange, served, response)

    def stop_waiting(self) -> None:
        """Answer 503 to whoever waits in a long poll; what changes something goes on."""
        for watch in list(self._watches):
            watch.stop_serving()

    async def _respond(self, exchange: "_Exchange", authorization: bytes, announced_bytes: int | None) -> Response:
        """Produce the response and send it. Raises only what cancelled us from outside."""
        try:
            response = await self._answer(exchange, authorization, announced_bytes)
        except MatrixError as error:
            response = error_response(error)
        except ClientGone:
            exchange.is_gone = True
            return _GONE
        except asyncio.CancelledError as error:
            response = _cancelled(exchange, error)
        except Exception:
            logger.exception("Failed to serve %s %s", exchange.request.method, exchange.route_path)
            response = error_response(_INTERNAL_ERROR)
        if exchange.served is not None:
            exchange.served.answered_s = time.monotonic()
        try:
            exchange.size_bytes = await send_response(
                exchange.send, exchange.respond, response, date=self._date.now(), is_cors=exchange.is_cors
            )
        except asyncio.CancelledError as error:
            response = _cancelled(exchange, error)
        finally:
            self._unwatch(exchange)
        return response

    async def _answer(self, exchange: "_Exchange", authorization: bytes, announced_bytes: int | None) -> Response:
        """Route, authenticate, limit, read the body, call. Raises what the client is told."""
        request = exchange.request
        if request.method == "OPTIONS":
            return _PREFLIGHT
        route, request.params = self._router.find(request.method, request.path)
        exchange.route_path = route.path
        exchange.is_cors = wants_cors(route.resource)
        if route.auth is not Auth.NONE:
            request.admit(await admit(route, request, authorization, self._authenticator))
        if route.limit is not None:
            self._limiters[route.limit].spend(request.requester.user_id if request.has_requester else request.client_ip)
        if route.stream:
            request.open_stream(
                lambda: stream_body(
                    exchange.receive, limit_bytes=route.body_limit_bytes, announced_bytes=announced_bytes
                )
            )
        else:
            if request.method not in _BODYLESS:
                request.content = await read_body(
                    exchange.receive, limit_bytes=route.body_limit_bytes, announced_bytes=announced_bytes
                )
            if route.cancel if route.cancel is not None else request.method in _BODYLESS:
                self._watch(exchange)
        response = await route.call(request)
        if route.resource in self._compressed_resources:
            response = await compressed(response, request.raw_headers)
        return response

    def _read_head(self, scope: Scope) -> tuple[Request, bytes, int | None]:
        """The request without its body, the `Authorization` header and the announced length of the body."""
        headers: list[Header] = scope["headers"]
        authorization = b""
        user_agent = ""
        announced_bytes: int | None = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"user-agent":
                user_agent = value.decode("latin-1")
            elif name == b"content-length" and value.isdigit():
                announced_bytes = int(value)
        client = scope["client"]
        client_ip: str = client[0] if client else ""
        scheme: str = scope["scheme"]
        if self._x_forwarded:
            client_ip = forwarded_address(headers) or client_ip
            scheme = forwarded_scheme(headers) or scheme
        method: str = scope["method"]
        request = Request(
            method=method,
            path=scope["raw_path"],
            query_string=scope["query_string"],
            raw_headers=headers,
            client_ip=client_ip,
            user_agent=user_agent,
            request_id=self._request_ids.take(method, headers),
            scheme=scheme,
        )
        return request, authorization, announced_bytes

    def _watch(self, exchange: "_Exchange") -> None:
        serving = asyncio.current_task()
        assert serving is not None
        exchange.watch = DisconnectWatch(exchange.receive, serving, patience_s=self._patience_s)
        self._watches.add(exchange.watch)

    def _unwatch(self, exchange: "_Exchange") -> None:
        if exchange.watch is not None:
            exchange.watch.close()
            self._watches.discard(exchange.watch)

    def _log(self, scope: Scope, exchange: "_Exchange", served: Served, response: Response) -> None:
        request = exchange.request
        uri = request.path.decode("latin-1")
        if request.query_string:
            uri += "?" + request.query_string.decode("latin-1")
        self._access_log.end(
            served,
            client_ip=request.client_ip,
            requester=request.requester.user_id if request.has_requester else "",
            size_bytes=exchange.size_bytes,
            status=response.status,
            is_gone=exchange.is_gone,
            method=request.method,
            uri=uri,
            http_version=scope["http_version"],
            user_agent=request.user_agent,
        )


class _Exchange:
    """One request on its way, and what became of it."""

    __slots__ = (
        "is_cors",
        "is_gone",
        "receive",
        "request",
        "respond",
        "route_path",
        "send",
        "served",
        "size_bytes",
        "watch",
    )

    def __init__(
        self, receive: Receive, send: Send, respond: Respond | None, request: Request, served: Served | None
    ) -> None:
        self.receive = receive
        self.send = send
        self.respond = respond
        self.request = request
        self.served = served
        self.route_path = ""
        self.is_cors = True
        self.is_gone = False
        self.size_bytes = 0
        self.watch: DisconnectWatch | None = None


def _respond_of(scope: Scope) -> Respond | None:
    respond: Respond | None = scope.get("extensions", {}).get("ranvier.respond")
    return respond


def _cancelled(exchange: _Exchange, error: asyncio.CancelledError) -> Response:
    """What to say after a cancellation of our own making; anybody else's goes on."""
    watch = exchange.watch
    if watch is None or not (watch.is_gone or watch.is_stopped):
        raise error
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    exchange.is_gone = watch.is_gone
    return _GONE if watch.is_gone else error_response(_STOPPING)
