"""Stories told in several processes, which find what they are to do by its name: so it does not stand in `__main__`."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial as bound
from multiprocessing import get_context
from types import FrameType
from typing import Final, Protocol

AT_ONCE: Final = 20
"""Stories of one portion of work."""
HANGS_S: Final = 120
"""No story takes so long by the clock on the wall."""


class Stories(Protocol):
    """What tells stories of a kind."""

    faults: Counter[str]
    attacks: Counter[str]

    def tell(self, seed: int) -> None:
        """One of them. Raises what has gone wrong."""


Opens = Callable[[], AbstractContextManager[Stories]]


class Hangs(BaseException):
    """A story comes to no end. Not an `Exception`, so that nothing in it takes this for something of its own."""


@dataclass(slots=True)
class Result:
    """Of some stories."""

    stories: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)
    """Seeds, and what went wrong."""

    def add(self, other: "Result") -> None:
        """Those of another process."""
        self.stories += other.stories
        self.cpu_s += other.cpu_s
        self.faults += other.faults
        self.attacks += other.attacks
        self.failed += other.failed


def tell_some(opens: Opens, seeds: range) -> Result:
    """The stories of these seeds; runs in a process of its own."""
    signal.signal(signal.SIGALRM, _hangs)
    result = Result()
    began = time.process_time()
    with opens() as stories:
        for seed in seeds:
            signal.alarm(HANGS_S)
            try:
                stories.tell(seed)
            except (Exception, Hangs) as error:  # noqa: BLE001 (whatever it is, the other stories are told)
                story = "\n".join(getattr(error, "__notes__", ()))
                result.failed.append((seed, f"{type(error).__name__}: {error}\n{story}"))
            signal.alarm(0)
            result.stories += 1
        result.faults, result.attacks = stories.faults, stories.attacks
    result.cpu_s = time.process_time() - began
    return result


def _hangs(number: int, frame: FrameType | None) -> None:
    raise Hangs


def results(opens: Opens, seeds: range, *, workers: int) -> Iterator[Result]:
    """What came of the stories, portion by portion."""
    portions = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
    if workers == 1:
        yield from (tell_some(opens, portion) for portion in portions)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(bound(tell_some, opens), portions)
