"""Whatever is at an address that somebody else has written: pages to preview, and where media have gone. On aiohttp.

Every connection is opened by the gate, so that neither a name, an address that is spelt oddly, nor a redirect leads to where
the operator does not want us to go. The library is loaded by the first request, and nothing is kept open between two.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from ranvier import __version__
from ranvier.config.outbound_sections import OutboundConfig
from ranvier.net.address_rules import AddressRules
from ranvier.net.proxies import Proxies
from ranvier.net.resolver import Resolver
from ranvier.ports import FederationStream, FederationUnreachable

REDIRECTS: Final = 5
_CONNECT_S: Final = 10.0
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})


class Web:
    """Implements `WebTransport`."""

    def __init__(
        self,
        *,
        outbound: OutboundConfig,
        rules: AddressRules,
        open_resolver: Callable[[], Resolver],
        allows: Callable[[str], bool] = lambda url: True,
        user_agent: str | None = None,
    ) -> None:
        """`allows` is asked about every URL, those of redirects too. `open_resolver` is called by the first request."""
        self._rules = rules
        self._proxies = Proxies(outbound)
        self._open_resolver = open_resolver
        self._resolver: Resolver | None = None
        self._allows = allows
        suffix = outbound.user_agent_suffix
        self._user_agent = user_agent or f"Ranvier/{__version__}" + (f" {suffix}" if suffix else "")

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, limit_bytes: int
    ) -> AsyncIterator[FederationStream]:
        """See `WebTransport`."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        sent = {"User-Agent": self._user_agent, **headers}
        response: aiohttp.ClientResponse | None = None
        async with (
            aiohttp.ClientSession(
                connector=self._connector(), timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as direct,
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as proxied,
        ):
            try:
                for _ in range(REDIRECTS + 1):
                    self._check(url)
                    proxy = self._proxy(url)
                    session = direct if proxy is None else proxied
                    response = await session.get(url, headers=sent, proxy=proxy, allow_redirects=False)
                    location = response.headers.get("Location")
                    if response.status not in _REDIRECTING or not location:
                        break
                    response.close()
                    response, url = None, urljoin(url, location)
                if response is None:
                    raise FederationUnreachable("it leads from one place to another")
                if (response.content_length or 0) > limit_bytes:
                    raise FederationUnreachable(f"there are more than {limit_bytes} bytes")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                raise FederationUnreachable(str(error) or type(error).__name__) from error
            try:
                names = {name.lower(): value for name, value in response.headers.items()}
                async with aclosing(_chunks(response, limit_bytes)) as chunks:
                    yield FederationStream(status=response.status, headers=names, chunks=chunks)
            finally:
                response.close()

    async def close(self) -> None:
        """Close what finds names."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        except ValueError:
            is_web = False
        if not is_web or not self._allows(url):
            raise FederationUnreachable("an address that is not to be visited")

    def _proxy(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return self._proxies.for_https(host) if parts.scheme == "https" else self._proxies.for_http(host)

    def _connector(self) -> Any:
        import aiohttp

        from ranvier.net.gate import Gate, Names

        if self._resolver is None:
            self._resolver = self._open_resolver()
        gate = Gate(self._rules)
        return aiohttp.TCPConnector(
            resolver=Names(self._resolver), use_dns_cache=False, force_close=True, socket_factory=gate.socket_for
        )


async def _chunks(response: Any, limit_bytes: int) -> AsyncGenerator[bytes]:
    import aiohttp

    size = 0
    try:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit_bytes:
                raise FederationUnreachable(f"there are more than {limit_bytes} bytes")
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise FederationUnreachable(str(error) or type(error).__name__) from error
