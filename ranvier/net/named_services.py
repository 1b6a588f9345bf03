"""Requests to services that the operator has named: identity providers, whoever verifies captchas. On aiohttp.

They may be at any address, also of the operator's own network: nobody but the operator has chosen it. Nothing is
followed, nothing is kept open. The library is loaded by the first request.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ranvier import __version__
from ranvier.config.outbound_sections import OutboundConfig
from ranvier.net.proxies import Proxies
from ranvier.ports import FederationAnswer, FederationUnreachable

_TIMEOUT_S: Final = 20.0
_LIMIT_BYTES: Final = 1 << 20


class NamedServices:
    """Implements `ServiceTransport`."""

    def __init__(self, outbound: OutboundConfig) -> None:
        self._proxies = Proxies(outbound)
        suffix = outbound.user_agent_suffix
        self._user_agent = f"Ranvier/{__version__}" + (f" {suffix}" if suffix else "")

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> FederationAnswer:
        """One request, and the answer whole. Raises `FederationUnreachable`."""
        import aiohttp

        sent = {"User-Agent": self._user_agent, **headers}
        proxy = self._proxies.for_https(urlsplit(url).hostname or "") if url.startswith("https:") else None
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.request(method, url, headers=sent, data=body, proxy=proxy, allow_redirects=False) as answer,
            ):
                content = await answer.content.read(_LIMIT_BYTES + 1)
                while len(content) <= _LIMIT_BYTES and (more := await answer.content.read(_LIMIT_BYTES)):
                    content += more
                if len(content) > _LIMIT_BYTES:
                    raise FederationUnreachable(f"the answer has more than {_LIMIT_BYTES} bytes")
                names = {name.lower(): value for name, value in answer.headers.items()}
                return FederationAnswer(status=answer.status, headers=names, body=content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise FederationUnreachable(str(error) or type(error).__name__) from error
