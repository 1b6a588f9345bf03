"""Asking `/.well-known/matrix/server` to whom a server delegates.

Spec: server-server API, "Resolving server names", step 3. Whatever goes wrong means: no delegation; it is never an error.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import orjson

from ranvier.net.exchange import Exchange, whole
from ranvier.net.freshness import lifetime_s
from ranvier.net.once import Once
from ranvier.net.peer import Endpoint, Peer
from ranvier.ports import Clock, FederationAnswer, FederationUnreachable
from ranvier.proto.ids import is_server_name, split_server_name

_PATH: Final = "/.well-known/matrix/server"
_LIMIT_BYTES: Final = 50 * 1024
_TIMEOUT_S: Final = 20.0
_REDIRECTS: Final = 5
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_USUAL_S: Final = 24 * 3600.0
_LONGEST_S: Final = 48 * 3600.0
# An answer that may not be cached would be asked for at every request.
_SHORTEST_S: Final = 300.0
_FIRST_ERROR_S: Final = 60.0
_LONGEST_ERROR_S: Final = 3600.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a host said: the delegated server name, or None; and until when (on the monotonic clock) to believe it."""

    server_name: str | None
    until: float


@dataclass(frozen=True, slots=True)
class _Known:
    delegation: Delegation
    good_until: float
    """How long the delegation may be used though asking again fails."""
    failures: int


class WellKnown:
    """Delegations, remembered."""

    def __init__(self, *, https: Exchange, clock: Clock) -> None:
        self._https = https
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: Once[Delegation] = Once()

    async def delegate(self, host: str) -> Delegation:
        """To whom this DNS name delegates."""
        known = self._known.get(host)
        if known is not None and known.delegation.until > self._clock.monotonic():
            return known.delegation
        return await self._asking.run(host, lambda: self._ask(host))

    async def close(self) -> None:
        """Give up on what is being asked."""
        await self._asking.close()

    async def _ask(self, host: str) -> Delegation:
        before = self._known.pop(host, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self.fetch(host)
        except (FederationUnreachable, TimeoutError):
            answer = None
        known = self._learnt(answer, before)
        self._known[host] = known
        return known.delegation

    async def fetch(self, host: str, path: str = _PATH) -> FederationAnswer | None:
        """The final answer behind redirects, whatever is known; None if they lead nowhere. Raises `FederationUnreachable`."""
        url = urlsplit(f"https://{host}{path}")
        for _ in range(_REDIRECTS + 1):
            answer = await self._get(url)
            if answer.status not in _REDIRECT_STATUSES:
                return answer
            next_url = _redirected(url, answer.headers.get("location", ""))
            if next_url is None:
                return None
            url = next_url
        return None

    async def _get(self, url: SplitResult) -> FederationAnswer:
        host = url.hostname or ""
        exchange = self._https.exchange(
            method="GET",
            peer=Peer(endpoints=(Endpoint(host, url.port or 443),), host_header=url.netloc, tls_name=host),
            target=(url.path or "/") + (f"?{url.query}" if url.query else ""),
            headers={"Accept": "application/json"},
            body=None,
            limit_bytes=_LIMIT_BYTES,
        )
        async with exchange as stream:
            return await whole(stream)

    def _learnt(self, answer: FederationAnswer | None, before: _Known | None) -> _Known:
        now = self._clock.monotonic()
        server_name = None if answer is None else delegated_name(answer)
        if answer is not None and server_name is not None:
            fresh_s = lifetime_s(answer.headers, now_ms=self._clock.now_ms())
            kept_s = min(_LONGEST_S, max(_SHORTEST_S, _USUAL_S if fresh_s is None else fresh_s))
            return _Known(Delegation(server_name, now + kept_s), good_until=now + _LONGEST_S, failures=0)
        failures = 1 if before is None else before.failures + 1
        # A server that says that there is nothing is believed for longer than one that cannot say anything.
        is_final = answer is not None and answer.status < 500
        retry_s = _LONGEST_ERROR_S if is_final else min(_LONGEST_ERROR_S, _FIRST_ERROR_S * 2 ** min(failures - 1, 10))
        if not is_final and before is not None and before.good_until > now:
            kept = Delegation(before.delegation.server_name, min(before.good_until, now + retry_s))
            return _Known(kept, good_until=before.good_until, failures=failures)
        return _Known(Delegation(None, now + retry_s), good_until=now, failures=failures)


def delegated_name(answer: FederationAnswer) -> str | None:
    """The server name in a valid answer."""
    if answer.status != 200:
        return None
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    name = content.get("m.server") if isinstance(content, dict) else None
    if not isinstance(name, str) or not is_server_name(name):
        return None
    port = split_server_name(name)[1]
    return name if port is None or 0 < port < 65536 else None


def _redirected(url: SplitResult, location: str) -> SplitResult | None:
    """Where a `Location` leads; None for anything but a plain https URL."""
    if not location or not location.isascii() or not location.isprintable() or " " in location:
        return None
    try:
        target = urlsplit(urljoin(url.geturl(), location))
        is_plain = target.scheme == "https" and target.hostname and "@" not in target.netloc and target.port != 0
    except ValueError:
        return None
    return target if is_plain else None
