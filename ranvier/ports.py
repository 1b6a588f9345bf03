"""What the domain needs from the outside world, as protocols: time, chance, and other servers.

The domain never reaches for the wall clock, the system's randomness or a socket; it is handed these, so that a whole
federation can run in one process under a seed.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Time, as the domain may know it."""

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller for `seconds`."""
        ...


class Random(Protocol):
    """Unpredictable bytes."""

    def token_bytes(self, size_bytes: int) -> bytes:
        """`size_bytes` bytes that nobody can guess."""
        ...


@dataclass(frozen=True, slots=True)
class FederationAnswer:
    """What another server answered, whole."""

    status: int
    headers: Mapping[str, str]
    """Names are lower-case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class FederationStream:
    """An answer that is still coming in."""

    status: int
    headers: Mapping[str, str]
    """Names are lower-case."""
    chunks: AsyncIterator[bytes]
    """The body in pieces. Whoever reads slowly makes the other server wait. Raises `FederationUnreachable` when the
    rest does not come, or is more than was asked for."""


class FederationUnreachable(Exception):
    """There is no answer: name, connection, certificate, time, size, or an address that must not be reached.

    The text is for people.
    """


class FederationTransport(Protocol):
    """Requests to other servers, found by their names."""

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        """One request; `target` is path and query as on the wire. No retries, no redirects.

        `timeout_s` is for all of it, the search for the server included; an answer longer than `limit_bytes` is
        refused. Raises `FederationUnreachable`.
        """
        ...


@runtime_checkable
class StreamingTransport(FederationTransport, Protocol):
    """Also hands out answers too large to be held at once."""

    def stream(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> AbstractAsyncContextManager[FederationStream]:
        """As `request`, but the body is read by the caller, while the context is open. `timeout_s` is for all of it."""
        ...


class WebTransport(Protocol):
    """Requests to web servers: whatever is at an address that somebody else has written."""

    def get(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, limit_bytes: int
    ) -> AbstractAsyncContextManager[FederationStream]:
        """What is at an `http` or `https` URL, while the context is open; where that leads elsewhere, what is there.

        Raises `FederationUnreachable`, also for an address that must not be reached, or more than `limit_bytes`.
        """
        ...


class ServiceTransport(Protocol):
    """Requests to services that the operator has named: identity providers, whoever verifies captchas."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> FederationAnswer:
        """One request, and the answer whole; redirects are not followed. Raises `FederationUnreachable`."""
        ...


class NoWeb:
    """There is no web."""

    def get(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, limit_bytes: int
    ) -> AbstractAsyncContextManager[FederationStream]:
        raise FederationUnreachable("there is no web here")


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemRandom:
    """The operating system's generator."""

    def token_bytes(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)
