"""`make plays`: tells many stories in several processes, and says how each that fails can be told again."""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial as bound
from multiprocessing import get_context
from types import FrameType
from typing import Final, Protocol

from tests.faster_joins import story as partial_joins
from tests.plays.attacks import ATTACKS
from tests.plays.story import BYZANTINE
from tests.plays.telling import FAULTS, teller, teller_of_partial_joins

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


def main(args: Sequence[str]) -> int:
    """0 if every story has ended as it should."""
    parser = argparse.ArgumentParser(prog="make plays", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--stories", type=int, default=1000, help="how many")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--byzantine", type=float, default=BYZANTINE, help="the share of stories with an evil server")
    parser.add_argument("--partial-joins", action="store_true", help="only stories of rooms that are joined partially")
    wanted = parser.parse_args(args)
    total = Result()
    seeds = range(wanted.first, wanted.first + wanted.stories)
    opens: Opens = teller_of_partial_joins if wanted.partial_joins else bound(teller, byzantine=wanted.byzantine)
    kind = " PARTIAL_JOINS=1" if wanted.partial_joins else ""
    kind += "" if wanted.byzantine == BYZANTINE else f" BYZANTINE={wanted.byzantine}"
    for result in results(opens, seeds, workers=wanted.workers):
        total.add(result)
        for seed, why in result.failed:
            print(f"\nseed {seed} fails: {why}\nTell it again: make plays FIRST={seed} PLAYS=1{kind}", flush=True)
        if total.stories % 500 < result.stories:
            print(f"{total.stories} stories, {len(total.failed)} failed, {total.cpu_s:.0f} s CPU", flush=True)
    _sum_up(total, partial_joins.FAULTS if wanted.partial_joins else FAULTS)
    return 1 if total.failed else 0


def _sum_up(total: Result, faults: Sequence[str]) -> None:
    print(f"\n{total.stories} stories, {total.cpu_s:.0f} s CPU")
    print("faults:  " + ", ".join(f"{name} {total.faults[name]}" for name in faults))
    if total.attacks:
        print("attacks: " + ", ".join(f"{name} {total.attacks[name]}" for name in sorted(ATTACKS)))
        lies = f"{total.faults['lie believed']} times; stories that parted so: {total.faults['parted by a lie']}"
        print(f"lied to while there was nobody else to ask: {lies}")
    print(f"failed:  {sorted(seed for seed, _ in total.failed) or 'none'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
