"""`make plays`: tells many stories in several processes, and says how each that fails can be told again."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial as bound

from tests.faster_joins import story as partial_joins
from tests.plays.attacks import ATTACKS
from tests.plays.processes import Opens, Result, results
from tests.plays.story import BYZANTINE
from tests.plays.telling import FAULTS, teller, teller_of_partial_joins


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
