"""The listeners of a server: sockets, what each of them serves, and how they stop.

Configuration: `listeners`. All run in one event loop; signals are the caller's.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ranvier.config.sections import Listener
from ranvier.http.access_log import AccessLog
from ranvier.http.authenticate import Authenticator, NoUsers, ServerAuthenticator
from ranvier.http.connections import Connections
from ranvier.http.dispatch import HttpApp
from ranvier.http.protocol import protocol_factory
from ranvier.http.request_counts import RequestCounts
from ranvier.http.request_id import RequestIds
from ranvier.http.route import Auth, Route
from ranvier.http.router import Router
from ranvier.http.sockets import BACKLOG, ListenError, open_sockets
from ranvier.ratelimit import RateLimiter

logger = logging.getLogger(__name__)

_IMPLIED: Mapping[str, frozenset[str]] = {
    "client": frozenset({"media", "static"}),
    "federation": frozenset({"media", "keys", "openid"}),
}
_FINISH_S = 1.0
"""How long answers that are nearly there may take before long polls are told to come back."""


@dataclass(slots=True)
class _Open:
    """One listener that accepts connections."""

    listener: Listener
    connections: Connections
    servers: list[asyncio.Server]


class HttpListeners:
    """Every open `http` listener of the server."""

    def __init__(self, opened: list[_Open], tls: ssl.SSLContext | None) -> None:
        self._opened = opened
        self._tls = tls

    @property
    def addresses(self) -> list[tuple[Listener, object]]:
        """Each socket's address as the system gives it (with the port that was found for port 0)."""
        return [
            (opened.listener, sock.getsockname())
            for opened in self._opened
            for server in opened.servers
            for sock in server.sockets
        ]

    @property
    def use_tls_files(self) -> bool:
        """Whether a listener shows a certificate."""
        return self._tls is not None

    def reload_tls(self, certificate_path: str, private_key_path: str) -> None:
        """Use a new certificate for new connections. Raises `OSError` or `ssl.SSLError`, and keeps the old one."""
        self.use_tls(tls_context(certificate_path, private_key_path))

    def use_tls(self, fresh: ssl.SSLContext) -> None:
        """Use another context (`tls_context`) for new connections."""
        if self._tls is not None:

            def use_fresh(connection: ssl.SSLObject, server_name: str | None, listening: ssl.SSLContext) -> None:
                connection.context = fresh

            # Loaded into the context that listens, a certificate would not replace one whose key is of another type.
            self._tls.sni_callback = use_fresh

    async def stop(self, *, grace_s: float = 10.0) -> None:
        """Accept nothing more and let the requests in flight finish.

        Long polls are answered 503 after a second; whatever is still running after `grace_s` is cancelled.
        """
        for opened in self._opened:
            for server in opened.servers:
                server.close()
            opened.connections.shut_down()
        await self._wait(min(_FINISH_S, grace_s))
        for opened in self._opened:
            opened.connections.stop_waiting()
        await self._wait(grace_s)
        tasks = self._tasks()
        if tasks:
            logger.warning("Cancelling %d requests that took too long to stop", len(tasks))
        for task in tasks:
            task.cancel()
        await self._wait(1.0)
        for opened in self._opened:
            opened.connections.abort()

    def _tasks(self) -> set[asyncio.Task[None]]:
        return {task for opened in self._opened for task in opened.connections.tasks()}

    async def _wait(self, timeout_s: float) -> None:
        tasks = self._tasks()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)


async def serve_listeners(
    routes: Iterable[Route],
    listeners: Iterable[Listener],
    *,
    authenticator: Authenticator,
    servers: ServerAuthenticator | None = None,
    limiters: Mapping[str, RateLimiter],
    tls: ssl.SSLContext | None = None,
    counts: RequestCounts | None = None,
) -> HttpListeners:
    """Open every listener of type `http` and serve `routes` on it, each by its resources.

    `tls` (see `tls_context`) is required by listeners that say so. Raises `ListenError` if a socket cannot be opened;
    then none is left open.
    """
    table = list(routes)
    http = [listener for listener in listeners if listener.type == "http"]
    if tls is None and any(listener.tls for listener in http):
        raise ListenError("a listener with tls needs tls_certificate_path and tls_private_key_path")
    apps = [
        app_for(listener, table, authenticator=authenticator, servers=servers, limiters=limiters, counts=counts)
        for listener in http
    ]
    sockets: list[list[socket.socket]] = []
    try:
        for listener in http:
            sockets.append(open_sockets(listener))
    except ListenError:
        for sock in (sock for group in sockets for sock in group):
            sock.close()
        raise
    opened = [await _open(listener, group, app, tls) for listener, group, app in zip(http, sockets, apps, strict=True)]
    return HttpListeners(opened, tls)


def app_for(
    listener: Listener,
    routes: Sequence[Route],
    *,
    authenticator: Authenticator,
    servers: ServerAuthenticator | None = None,
    limiters: Mapping[str, RateLimiter],
    counts: RequestCounts | None = None,
) -> HttpApp:
    """The application of one listener; `counts`: what counts its requests. Raises `ValueError` for a route with a rate limit that does not exist, or a
    body that is signed and not read.
    """
    resources = served_resources(listener.resource_names)
    served = [route for route in routes if route.resource in resources]
    for route in served:
        if route.limit is not None and route.limit not in limiters:
            raise ValueError(f"{route.method} {route.path}: no rate limit {route.limit}")
        if route.stream and route.auth is Auth.FEDERATION:
            raise ValueError(f"{route.method} {route.path}: servers sign the body, so it has to be read first")
    return HttpApp(
        router=Router(served),
        authenticator=authenticator,
        servers=servers,
        limiters=limiters,
        access_log=AccessLog(
            scheme="https" if listener.tls else "http", tag=listener.log_tag, prefix=listener.log_prefix
        ),
        request_ids=RequestIds(header=listener.request_id_header),
        x_forwarded=listener.x_forwarded,
        compressed_resources=frozenset(
            name for resource in listener.resources if resource.compress for name in resource.names
        ),
        counts=counts,
    )


async def serve_one(listener: Listener, sockets: list[socket.socket], routes: Sequence[Route]) -> HttpListeners:
    """Serve routes that nobody needs a token for on sockets that are open, whatever the listener's type."""
    app = HttpApp(
        router=Router(routes),
        authenticator=NoUsers(),
        limiters={},
        access_log=AccessLog(scheme="http", tag=listener.log_tag, prefix=listener.log_prefix),
        request_ids=RequestIds(header=listener.request_id_header),
    )
    return HttpListeners([await _open(replace(listener, tls=False), sockets, app, None)], None)


def served_resources(names: Iterable[str]) -> frozenset[str]:
    """`names` and what they imply: client brings media and static, federation brings media, keys and openid."""
    named = frozenset(names)
    return named.union(*(_IMPLIED.get(name, frozenset()) for name in named))


def tls_context(certificate_path: str, private_key_path: str) -> ssl.SSLContext:
    """The server side of TLS with this certificate chain. Raises `OSError` or `ssl.SSLError`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_path, private_key_path)
    return context


async def _open(listener: Listener, sockets: list[socket.socket], app: HttpApp, tls: ssl.SSLContext | None) -> _Open:
    loop = asyncio.get_running_loop()
    connections = Connections()
    factory = protocol_factory(app, connections, is_tls=listener.tls)
    # The backlog is set once more, because the loop would otherwise lower it to its own.
    servers = [
        await loop.create_server(factory, sock=sock, ssl=tls if listener.tls else None, backlog=BACKLOG)
        for sock in sockets
    ]
    logger.info("Listening on %s for %s", listener.log_tag, ", ".join(sorted(listener.resource_names)))
    return _Open(listener, connections, servers)
