"""The application of one listener: from a request on a connection to a call of an API module, and back.

Every answer leaves through here, so what must hold for all of them is written once: the error format, CORS, no stack
trace on the wire, one line in the log, no work for a client that has gone.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from ranvier.http.access_log import AccessLog, Served
from ranvier.http.authenticate import (
    Authenticator,
    NoServers,
    ServerAuthenticator,
    admit,
    admit_server,
    check_is_signed,
)
from ranvier.http.body import ClientGone, complete_body
from ranvier.http.client_address import forwarded_address, forwarded_scheme
from ranvier.http.exchange import Exchange
from ranvier.http.in_process import Collected, exchange_of
from ranvier.http.reply import CommonLines, compressed, head_of, send_stream, wants_cors
from ranvier.http.request import Request
from ranvier.http.request_counts import RequestCounts
from ranvier.http.request_id import RequestIds
from ranvier.http.response import TEXT, Header, Response, error_response
from ranvier.http.route import Auth, Route
from ranvier.http.router import Router
from ranvier.log_context import current_request
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter
from ranvier.usage import current_usage

logger = logging.getLogger(__name__)

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
        servers: ServerAuthenticator | None = None,
        limiters: Mapping[str, RateLimiter],
        access_log: AccessLog,
        request_ids: RequestIds,
        x_forwarded: bool = False,
        compressed_resources: frozenset[str] = frozenset(),
        counts: RequestCounts | None = None,
    ) -> None:
        self._router = router
        self._authenticator = authenticator
        self._servers = servers or NoServers()
        self._limiters = limiters
        self._access_log = access_log
        self._request_ids = request_ids
        self._x_forwarded = x_forwarded
        self._compressed_resources = compressed_resources
        self._counts = counts
        self._common_lines = CommonLines()

    def begin(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Answer what needs no waiting; for everything else the rest of the work, to be run as a task.

        The work raises only what cancelled it from outside. It leaves without an answer whom it cannot answer: clients
        that have gone, and those that have half of a response whose rest does not exist.
        """
        if exchange.path == b"/health":
            self._answer(exchange, _HEALTHY, is_cors=False)
            return None
        served = self._access_log.begin()
        request, authorization, announced_bytes = self._read_head(exchange)
        try:
            if request.method != "OPTIONS":
                route, request.params = self._router.find(request.method, request.path)
                return self._serve(exchange, request, route, authorization, announced_bytes, served)
            response = _PREFLIGHT
        except MatrixError as error:
            response = error_response(error)
        response = self._answer(exchange, response, is_cors=True)
        if served is not None:
            named = current_request.set(request.request_id)
            self._log(served, exchange, request, response.status, len(response.body))
            current_request.reset(named)
        return None

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """One request without a connection; status, headers and body of its answer.

        `target` is the path and the query string, both percent-encoded; names of headers are lower-case.
        """
        collected = Collected()
        work = self.begin(exchange_of(collected, method, target, headers, body))
        if work is not None:
            await work
        return collected.response()

    def refusal(self, error: MatrixError) -> tuple[bytes, bytes]:
        """Head and body of the answer to what was not even a request."""
        response = error_response(error)
        return head_of(response, self._common_lines.now(is_cors=True)), response.body

    async def _serve(
        self,
        exchange: Exchange,
        request: Request,
        route: Route,
        authorization: bytes,
        announced_bytes: int | None,
        served: Served | None,
    ) -> None:
        """Produce the response of `route`, send it, log it."""
        current_request.set(request.request_id)
        if served is not None:
            current_usage.set(served.usage)
        counts = self._counts
        began_s = 0.0 if counts is None else counts.begin()
        try:
            response = await self._call(exchange, request, route, authorization, announced_bytes)
        except MatrixError as error:
            response = error_response(error)
        except ClientGone:
            exchange.is_gone = True
            response = _GONE
        except asyncio.CancelledError as error:
            response = _cancelled(exchange, error)
        except Exception:
            logger.exception("Failed to serve %s %s", request.method, route.path)
            response = error_response(_INTERNAL_ERROR)
        if served is not None:
            served.answered_s = time.monotonic()
        if response.stream is not None:
            response, size_bytes = await self._stream(exchange, request, route, response)
        else:
            if response is not _GONE:
                response = self._answer(exchange, response, is_cors=wants_cors(route.resource))
            size_bytes = len(response.body)
        if counts is not None:
            counts.end(route, response.status, began_s, size_bytes)
        if served is not None:
            self._log(served, exchange, request, response.status, size_bytes)

    async def _call(
        self, exchange: Exchange, request: Request, route: Route, authorization: bytes, announced_bytes: int | None
    ) -> Response:
        """Authenticate, limit, read the body, call. Raises what the client is told."""
        if route.auth is Auth.FEDERATION:
            check_is_signed(authorization)
        elif route.auth is not Auth.NONE:
            request.admit(await admit(route, request, authorization, self._authenticator))
        if route.limit is not None:
            self._limiters[route.limit].spend(request.requester.user_id if request.has_requester else request.client_ip)
        body = exchange.body
        if route.stream:
            source = body if body is not None else complete_body()
            request.open_stream(
                lambda: source.stream(limit_bytes=route.body_limit_bytes, announced_bytes=announced_bytes)
            )
        else:
            if body is not None and request.method not in _BODYLESS:
                request.content = await body.read(limit_bytes=route.body_limit_bytes, announced_bytes=announced_bytes)
            if route.auth is Auth.FEDERATION:
                await admit_server(request, self._servers)
            if route.cancel if route.cancel is not None else request.method in _BODYLESS:
                exchange.allow_cancel()
        response = await route.call(request)
        if route.resource in self._compressed_resources:
            response = await compressed(response, request.raw_headers)
        return response

    def _answer(self, exchange: Exchange, response: Response, *, is_cors: bool) -> Response:
        """Send a response that is complete; the one that was sent."""
        lines = self._common_lines.now(is_cors=is_cors)
        try:
            head = head_of(response, lines)
        except (KeyError, ValueError):
            logger.exception("Failed to answer %s %s", exchange.method, exchange.path.decode("latin-1"))
            response = error_response(_INTERNAL_ERROR)
            head = head_of(response, lines)
        exchange.wire.answer(head, response.body)
        return response

    async def _stream(
        self, exchange: Exchange, request: Request, route: Route, response: Response
    ) -> tuple[Response, int]:
        """Send a response piece by piece; what to log, and the size of the body."""
        try:
            head = head_of(response, self._common_lines.now(is_cors=wants_cors(route.resource)))
            return response, await send_stream(exchange, response, head)
        except ClientGone:
            exchange.is_gone = True
            return _GONE, 0
        except asyncio.CancelledError as error:
            return _cancelled(exchange, error), 0
        except Exception:
            logger.exception("Failed to send the body of %s %s", request.method, route.path)
            return error_response(_INTERNAL_ERROR), 0

    def _read_head(self, exchange: Exchange) -> tuple[Request, bytes, int | None]:
        """The request without its body, the `Authorization` header and the announced length of the body."""
        headers = exchange.headers
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
        client_ip = exchange.client_ip
        scheme = exchange.scheme
        if self._x_forwarded:
            client_ip = forwarded_address(headers) or client_ip
            scheme = forwarded_scheme(headers) or scheme
        request = Request(
            method=exchange.method,
            path=exchange.path,
            query_string=exchange.query_string,
            raw_headers=headers,
            client_ip=client_ip,
            user_agent=user_agent,
            request_id=self._request_ids.take(exchange.method, headers),
            scheme=scheme,
        )
        return request, authorization, announced_bytes

    def _log(self, served: Served, exchange: Exchange, request: Request, status: int, size_bytes: int) -> None:
        uri = request.path.decode("latin-1")
        if request.query_string:
            uri += "?" + request.query_string.decode("latin-1")
        self._access_log.end(
            served,
            client_ip=request.client_ip,
            requester=request.requester.log_name if request.has_requester else request.origin,
            size_bytes=size_bytes,
            status=status,
            is_gone=exchange.has_left,
            method=request.method,
            uri=uri,
            http_version=exchange.http_version,
            user_agent=request.user_agent,
        )


def _cancelled(exchange: Exchange, error: asyncio.CancelledError) -> Response:
    """What to say after a cancellation of our own making; anybody else's goes on."""
    if not (exchange.is_gone or exchange.is_stopped):
        raise error
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    return _GONE if exchange.is_gone else error_response(_STOPPING)
