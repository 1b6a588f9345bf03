"""Other servers as functions: a `FederationTransport` without a network, and a clock that tests move."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranvier.ports import FederationAnswer, FederationUnreachable


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was on the wire."""

    method: str
    destination: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body or b"null")


Serve = Callable[[Asked], Awaitable[FederationAnswer]]


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> FederationAnswer:
    """An answer of JSON."""
    return FederationAnswer(status=status, headers=headers or {}, body=json.dumps(value).encode())


@dataclass(slots=True)
class Wire:
    """Implements `FederationTransport`. Servers that are not in the table cannot be reached."""

    servers: dict[str, Serve] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

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
        asked = Asked(method, destination, target, headers, body)
        self.asked.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if destination not in self.servers:
                raise FederationUnreachable(f"{destination} is not there")
            given = await self.servers[destination](asked)
            if len(given.body) > limit_bytes:
                raise FederationUnreachable("too large")
            return given
        finally:
            self.at_once -= 1

    def count(self, destination: str) -> int:
        """How often a server was asked."""
        return sum(asked.destination == destination for asked in self.asked)


@dataclass(slots=True)
class FakeHealth:
    """Implements `Health`: what tests set, and what was told."""

    away: set[str] = field(default_factory=set)
    told: list[tuple[str, str, int | None]] = field(default_factory=list)

    def may_try(self, destination: str) -> bool:
        return destination not in self.away

    def succeeded(self, destination: str) -> None:
        self.told.append(("succeeded", destination, None))

    def failed(self, destination: str, retry_after_ms: int | None = None) -> None:
        self.told.append(("failed", destination, retry_after_ms))

    def stumbled(self, destination: str) -> None:
        self.told.append(("stumbled", destination, None))


class FakeClock:
    """Implements `Clock`."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += int(seconds * 1000)
