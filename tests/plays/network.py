"""The network between the servers of a play: a seeded one that delays, loses, repeats, reorders and parts."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from ranvier.http.dispatch import HttpApp
from ranvier.ports import FederationAnswer, FederationUnreachable


@dataclass(slots=True)
class Faults:
    """What may happen to a request; probabilities from 0 to 1."""

    delay_s: float = 0.05
    """The greatest delay, one way."""
    lost_request: float = 0.0
    lost_answer: float = 0.0
    """The other server has done it, and the one who asked does not learn."""
    repeated: float = 0.0


@dataclass(slots=True)
class Network:
    """Every server of a play."""

    random: Random
    faults: Faults = field(default_factory=Faults)
    apps: dict[str, HttpApp] = field(default_factory=dict)
    """The servers that are up."""
    parted: set[frozenset[str]] = field(default_factory=set)
    """Pairs that cannot reach each other."""
    on_the_way: int = 0
    """Requests without an answer."""
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)
    """`(origin, destination, method, target)` of all requests that were sent."""
    tamper: Callable[[str, str, str, FederationAnswer], FederationAnswer] | None = None
    """Changes answers: `(origin, destination, target, answer)`."""

    def part(self, one: str, other: str) -> None:
        """These two cannot reach each other any more."""
        self.parted.add(frozenset((one, other)))

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.parted.clear()

    def transport(self, origin: str) -> "PlayTransport":
        """The network as one server sees it."""
        return PlayTransport(self, origin)

    def reaches(self, origin: str, destination: str) -> bool:
        """Whether a request would arrive now."""
        return destination in self.apps and frozenset((origin, destination)) not in self.parted


@dataclass(frozen=True, slots=True)
class PlayTransport:
    """A `FederationTransport`."""

    network: Network
    origin: str

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
        """One request."""
        self.network.on_the_way += 1
        try:
            return await self._request(method, destination, target, headers, body, timeout_s, limit_bytes)
        finally:
            self.network.on_the_way -= 1

    async def _request(
        self,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        network, random, faults = self.network, self.network.random, self.network.faults
        network.requests.append((self.origin, destination, method, target))
        await self._travel(destination, random.random() < faults.lost_request, timeout_s)
        if random.random() < faults.repeated:
            await self._handle(destination, method, target, headers, body or b"")
        answer = await self._handle(destination, method, target, headers, body or b"")
        await self._travel(destination, random.random() < faults.lost_answer, timeout_s)
        if len(answer.body) > limit_bytes:
            raise FederationUnreachable("the answer is too large")
        if network.tamper is not None:
            answer = network.tamper(self.origin, destination, target, answer)
        return answer

    async def _travel(self, destination: str, lost: bool, timeout_s: float) -> None:
        await asyncio.sleep(self.network.random.uniform(0, self.network.faults.delay_s))
        if lost:
            await asyncio.sleep(timeout_s)
            raise FederationUnreachable("timed out")
        if not self.network.reaches(self.origin, destination):
            raise FederationUnreachable("no connection")

    async def _handle(
        self, destination: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> FederationAnswer:
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        sent.append((b"host", destination.encode()))
        sent.append((b"content-length", str(len(body)).encode()))
        if body and not any(name == b"content-type" for name, _ in sent):
            sent.append((b"content-type", b"application/json"))
        status, answered, content = await self.network.apps[destination].handle(method, target, sent, body)
        return FederationAnswer(
            status=status,
            headers={name.decode().lower(): value.decode() for name, value in answered},
            body=content,
        )
