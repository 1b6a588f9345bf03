"""The network between the servers of a play: a seeded one that delays, loses, repeats, reorders and parts."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from ranvier.ports import FederationAnswer, FederationUnreachable
from tests.api.answers import App


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
    apps: dict[str, App] = field(default_factory=dict)
    """The servers that are up."""
    unruly: set[str] = field(default_factory=set)
    """Those of them that may answer anything, or never."""
    parted: set[frozenset[str]] = field(default_factory=set)
    """Pairs that cannot reach each other."""
    on_the_way: int = 0
    """Requests without an answer."""
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)
    """`(origin, destination, method, target)` of all requests that were sent."""
    tamper: Callable[[str, str, str, FederationAnswer], FederationAnswer] | None = None
    """Changes answers: `(origin, destination, target, answer)`."""
    met: Counter[str] = field(default_factory=Counter)
    """What has really happened to requests."""
    failures: list[str] = field(default_factory=list)
    """Answers of servers that keep to the rules, and say that something is wrong with themselves."""
    _arrived: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of the latest request from one server that has arrived at another."""

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

    def note_arrival(self, origin: str, destination: str, number: int) -> None:
        """A request has arrived; those that were sent before it may still be on their way."""
        latest = self._arrived[origin, destination]
        self.met["reordering"] += number < latest
        self._arrived[origin, destination] = max(number, latest)


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
        number = len(network.requests)
        await self._travel(destination, "lost request", random.random() < faults.lost_request, timeout_s)
        network.note_arrival(self.origin, destination, number)
        if random.random() < faults.repeated:
            network.met["repetition"] += 1
            await self._handle(destination, method, target, headers, body or b"", timeout_s)
        answer = await self._handle(destination, method, target, headers, body or b"", timeout_s)
        await self._travel(destination, "lost answer", random.random() < faults.lost_answer, timeout_s)
        if len(answer.body) > limit_bytes:
            raise FederationUnreachable("the answer is too large")
        if network.tamper is not None:
            answer = network.tamper(self.origin, destination, target, answer)
        return answer

    async def _travel(self, destination: str, kind: str, lost: bool, timeout_s: float) -> None:
        network = self.network
        delay_s = network.random.uniform(0, network.faults.delay_s)
        network.met["delay"] += delay_s > 0.5
        await asyncio.sleep(delay_s)
        if lost:
            network.met[kind] += 1
            await asyncio.sleep(timeout_s)
            raise FederationUnreachable("timed out")
        if not network.reaches(self.origin, destination):
            network.met["partition" if destination in network.apps else "server down"] += 1
            raise FederationUnreachable("no connection")

    async def _handle(
        self,
        destination: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> FederationAnswer:
        network = self.network
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        sent.append((b"host", destination.encode()))
        sent.append((b"content-length", str(len(body)).encode()))
        if body and not any(name == b"content-type" for name, _ in sent):
            sent.append((b"content-type", b"application/json"))
        handling = network.apps[destination].handle(method, target, sent, body)
        if destination not in network.unruly:
            status, answered, content = await handling
            if status >= 500:
                network.failures.append(f"{destination} to {self.origin}: {method} {target}: {status} {content!r}")
        else:
            try:
                # Not `wait_for`, which forgets to be cancelled if the answer comes in the same moment.
                async with asyncio.timeout(timeout_s):
                    status, answered, content = await handling
            except TimeoutError:
                raise FederationUnreachable("timed out") from None
        return FederationAnswer(
            status=status,
            headers={name.decode().lower(): value.decode() for name, value in answered},
            body=content,
        )
