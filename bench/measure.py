"""Operations, counted and timed, on several servers in turn, so that what else the machine does meets all of them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.process import cpu_ms
from bench.target import Target

Operation = Callable[[int], Awaitable[object]]
"""Does it once; the number counts from 0 over all rounds."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something to measure."""

    name: str
    prepare: Callable[[Target], Awaitable[Operation]]
    """What has to be there first. It is not measured."""
    operations: int
    """In a round."""
    at_once: int = 1
    warm_up: int = 3


@dataclass(slots=True)
class Measured:
    """Of one scenario on one server."""

    cpu_ms: list[float] = field(default_factory=list)
    """For an operation, by round."""
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.cpu_ms)

    def latency(self, percentile: int) -> float:
        """What so many of a hundred operations did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * percentile // 100)]


async def measure(scenario: Scenario, targets: Sequence[Target], *, rounds: int) -> dict[str, Measured]:
    """By the servers' names."""
    operations = {target.name: await scenario.prepare(target) for target in targets}
    found = {target.name: Measured() for target in targets}
    numbers = dict.fromkeys(found, 0)
    for target in targets:
        for _ in range(scenario.warm_up):
            await operations[target.name](numbers[target.name])
            numbers[target.name] += 1
    for _ in range(rounds):
        for target in targets:
            first = numbers[target.name]
            numbers[target.name] += scenario.operations
            waiting = list(range(first, numbers[target.name]))[::-1]
            before = cpu_ms(target.pid)
            latencies = found[target.name].latencies_ms
            await asyncio.gather(*(_work(operations[target.name], waiting, latencies) for _ in range(scenario.at_once)))
            found[target.name].cpu_ms.append((cpu_ms(target.pid) - before) / scenario.operations)
    return found


async def _work(operation: Operation, waiting: list[int], latencies_ms: list[float]) -> None:
    while waiting:
        number = waiting.pop()
        began = time.perf_counter()
        await operation(number)
        latencies_ms.append((time.perf_counter() - began) * 1000)
