"""HTTPS requests over kept connections, on aiohttp.

The only module that knows the library; importing it takes a tenth of a second and 14 MiB, so `open` does it at the first
request.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from ranvier.net.address_rules import AddressRules
from ranvier.net.gate import Gate, Names
from ranvier.net.large_body import LargeBody
from ranvier.net.peer import Endpoint, Peer
from ranvier.net.proxies import Proxies
from ranvier.net.resolver import Resolver
from ranvier.net.reuse import Reuse
from ranvier.net.tls import TrustRules
from ranvier.ports import Clock, FederationStream, FederationUnreachable

_CONNECT_S: Final = 10.0
_CONNECTIONS: Final = 256
_CONNECTIONS_PER_HOST: Final = 8
# Longer than rooms are silent between two messages; shorter than usual servers wait (60 seconds and more).
_KEEP_S: Final = 50.0
_KEPT: Final = 256
_SECOND_ADDRESS_AFTER_S: Final = 0.25
_LARGE_BYTES: Final = 1 << 20
_BROKEN: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


class Https:
    """Implements `Exchange`. What it holds is opened by the first request, in the loop of that request."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        rules: AddressRules,
        trust: TrustRules,
        proxies: Proxies,
        user_agent: str,
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._gate = Gate(rules)
        self._trust = trust
        self._proxies = proxies
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip"}
        self._clock = clock
        self._reuse = Reuse(limit=_KEPT, keep_s=_KEEP_S)
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def exchange(
        self,
        *,
        method: str,
        peer: Peer,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_bytes: int,
    ) -> AsyncIterator[FederationStream]:
        sent = {**headers, "Host": peer.host_header}
        response = await self._first_answer(method, peer, target, sent, body)
        try:
            if (response.content_length or 0) > limit_bytes:
                raise _too_large(peer, limit_bytes)
            names = {name.lower(): value for name, value in response.headers.items()}
            async with aclosing(_chunks(response, peer, limit_bytes)) as chunks:
                yield FederationStream(status=response.status, headers=names, chunks=chunks)
        finally:
            # What was read to its end has gone back to the pool; anything else must not.
            response.close()

    async def close(self) -> None:
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()
        self._direct = self._proxied = None

    async def _first_answer(
        self, method: str, peer: Peer, target: str, headers: dict[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        """From the first endpoint that can be connected to."""
        problems = []
        for endpoint in peer.endpoints:
            try:
                return await self._answer(method, peer, endpoint, target, headers, body)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                problems.append(f"{endpoint.host} port {endpoint.port}: {_reason(error)}")
            except _FAILURES as error:
                raise FederationUnreachable(f"{peer.host_header}: {_reason(error)}") from error
        raise FederationUnreachable(f"{peer.host_header}: {'; '.join(problems) or 'no address'}")

    async def _answer(
        self,
        method: str,
        peer: Peer,
        endpoint: Endpoint,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        proxy = self._proxies.for_https(endpoint.host)
        session = self._session(is_proxied=proxy is not None)
        url = URL(f"https://{_in_url(endpoint.host)}:{endpoint.port}{target}", encoded=True)
        if not self._reuse.may_stay_open((endpoint, peer.tls_name), now=self._clock.monotonic()):
            headers = {**headers, "Connection": "close"}

        async def send() -> aiohttp.ClientResponse:
            data = LargeBody(body) if body is not None and len(body) > _LARGE_BYTES else body
            return await session.request(
                method,
                url,
                headers=headers,
                data=data,
                proxy=proxy,
                ssl=self._trust.context_for(peer.tls_name),
                server_hostname=peer.tls_name,
                allow_redirects=False,
                skip_auto_headers=("Content-Type",),
            )

        try:
            return await send()
        except _BROKEN as error:
            # The other side may close a kept connection while we write. The library repeats what is idempotent; the
            # POSTs of federation are questions.
            if method != "POST" or isinstance(error, aiohttp.ClientConnectorError):
                raise
            return await send()

    def _session(self, *, is_proxied: bool) -> aiohttp.ClientSession:
        """The operator vouches for the proxy: it may be at a blocked address, and decides itself whom it reaches."""
        session = self._proxied if is_proxied else self._direct
        if session is None:
            options: dict[str, Any] = {} if is_proxied else {"socket_factory": self._gate.socket_for}
            connector = aiohttp.TCPConnector(
                resolver=Names(self._resolver),
                use_dns_cache=False,
                limit=_CONNECTIONS,
                limit_per_host=_CONNECTIONS_PER_HOST,
                keepalive_timeout=_KEEP_S,
                happy_eyeballs_delay=_SECOND_ADDRESS_AFTER_S,
                **options,
            )
            session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            )
            if is_proxied:
                self._proxied = session
            else:
                self._direct = session
        return session


async def _chunks(response: aiohttp.ClientResponse, peer: Peer, limit_bytes: int) -> AsyncGenerator[bytes]:
    """The body as it comes in. The library stops reading from the connection while nobody asks for more."""
    size = 0
    try:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(peer, limit_bytes)
            yield chunk
    except _FAILURES as error:
        raise FederationUnreachable(f"{peer.host_header}: {_reason(error)}") from error


def _too_large(peer: Peer, limit_bytes: int) -> FederationUnreachable:
    return FederationUnreachable(f"{peer.host_header}: the answer has more than {limit_bytes} bytes")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    return f"{cause}" or type(cause).__name__
