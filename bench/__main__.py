"""`make bench`: start both servers, measure everything in turn, write the tables."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import aiohttp

from bench import accounts, disk, encrypting, growth, servers, syncing, talking
from bench.measure import measure
from bench.process import memory_mib
from bench.report import OURS, THEIRS, Report
from bench.target import Target
from ranvier import __version__
from tests.interop.environment import VERSION

_NAMES = (THEIRS, OURS)


async def run(folder: Path, *, rounds: int, sizes: list[int]) -> Report:
    """Measure everything."""
    report = Report(f"Synapse {VERSION}, Ranvier {__version__}", rounds)
    with servers.both(folder) as started:
        starts = [servers.start(server, times=3) for server in started]
        report.single += [
            ("start on an existing database, s", starts[0][0], starts[1][0]),
            ("memory when idle, MiB", starts[0][1], starts[1][1]),
        ]
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            targets = [
                Target(name, server.url, server.pid, session, server.folder)
                for name, server in zip(_NAMES, started, strict=True)
            ]
            scenarios = [
                *accounts.scenarios(rounds),
                *talking.scenarios(),
                *syncing.scenarios(),
                *encrypting.scenarios(),
            ]
            for scenario in scenarios:
                _say(scenario.name)
                report.operations[scenario.name] = await measure(scenario, targets, rounds=rounds)
            for name, weigh in (
                ("bytes on disk per message", disk.bytes_per_message),
                (f"bytes on disk per change of state, room of {disk.MEMBERS}", disk.bytes_per_change),
            ):
                _say(name)
                theirs, ours = [await weigh(target) for target in targets]
                report.single.append((name, theirs, ours))
            _say("growth")
            report.growth = await growth.grow(targets, sizes, rounds=rounds)
            theirs, ours = [memory_mib(target.pid) for target in targets]
            report.single.append(("memory after all of this, MiB", theirs, ours))
    return report


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="members of the room that grows")
    parser.add_argument("--output", type=Path, default=Path("docs/performance-bench.md"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        report = asyncio.run(run(Path(folder), rounds=given.rounds, sizes=given.sizes))
    report.write(given.output)


if __name__ == "__main__":
    main()
