"""Memory and open files of a process over time, and the slope of a line through them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.soak.town import LinkedRanvier

_EVERY_S = 5.0


@dataclass(slots=True)
class Gauges:
    """Of one server, in one life of it."""

    server: LinkedRanvier
    times_s: list[float] = field(default_factory=list)
    memory_kib: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    async def watch(self) -> None:
        """Read them until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.times_s.append(loop.time())
            self.memory_kib.append(self.server.memory_kib())
            self.files.append(self.server.files())
            await asyncio.sleep(_EVERY_S)

    def after_warm_up(self, values: Sequence[int]) -> Sequence[int]:
        """The second half."""
        return values[len(values) // 2 :]

    def memory_slope(self) -> float:
        """MiB in an hour, after the warm-up."""
        return slope(self.after_warm_up_times(), self.after_warm_up(self.memory_kib)) * 3600 / 1024

    def after_warm_up_times(self) -> Sequence[float]:
        """When the second half was read."""
        return self.times_s[len(self.times_s) // 2 :]


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Of the line of least squares; 0 for less than two points."""
    if len(times) < 2:
        return 0.0
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    below = sum((time - mean_time) ** 2 for time in times)
    above = sum((time - mean_time) * (value - mean_value) for time, value in zip(times, values, strict=True))
    return above / below
