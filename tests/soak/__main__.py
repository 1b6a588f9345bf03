"""`make soak`: a town lives for some minutes while things break, and then everything has to be there."""

import argparse
import asyncio
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.soak import verdict
from tests.soak.faults import Faults
from tests.soak.gauges import Gauges
from tests.soak.ledger import Ledger
from tests.soak.person import Person
from tests.soak.report import Report
from tests.soak.rooms import settle
from tests.soak.town import Town, build

SHARES = (0.4, 0.4, 0.2)
"""Which part of the people lives on the first Ranvier, the second, the Synapse."""


async def soak(folder: Path, *, minutes: float, seed: int, people: int, rooms: int, pause_s: float) -> Report:
    """All of it. The first 60 of 100 parts of the time have faults; the rest is quiet, to see whether memory is flat."""
    report = Report(seed, minutes, people, rooms, Ledger())
    chance = random.Random(seed)
    async with running(folder) as town, _session() as session:
        crowd = {
            server.server_name: [
                Person(
                    session,
                    server.url,
                    f"p{index}-{number}",
                    ledger=report.ledger,
                    chance=random.Random(chance.random()),
                )
                for number in range(round(people * share))
            ]
            for index, (server, share) in enumerate(zip(town.servers, SHARES, strict=True))
        }
        _say("settling")
        await settle(crowd, rooms=rooms, chance=chance)
        everybody = [person for there in crowd.values() for person in there]
        await _live(town, everybody, report, chance=chance, minutes=minutes, pause_s=pause_s)
        _say("looking whether everything is there")
        await verdict.fetch_messages(everybody, report.ledger)
        room_ids = sorted({room_id for person in everybody for room_id in person.rooms})
        report.problems += await verdict.disagreements(crowd, room_ids)
        lost, report.histories = await verdict.lost_events(crowd, report.ledger)
        report.problems += lost
        report.problems += await verdict.full_queues(town, everybody)
        for server in town.ranviers:
            report.problems += [f"{server.folder.name} has failed: {line}" for line in server.failures()]
    report.judge()
    return report


async def _live(
    town: Town, everybody: list[Person], report: Report, *, chance: random.Random, minutes: float, pause_s: float
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    names = [person.user_id for person in everybody]
    followers = [asyncio.create_task(person.follow()) for person in everybody]
    lives = [asyncio.create_task(person.live(names, pause_s)) for person in everybody]
    faults = Faults(town, chance)
    _say("things break")
    await faults.until(began + minutes * 60 * 0.6)
    report.faults = faults.count
    _say(f"{dict(faults.count)}; quiet from here")
    report.gauges = [Gauges(server) for server in town.ranviers]
    watchers = [asyncio.create_task(gauges.watch()) for gauges in report.gauges]
    await asyncio.sleep(max(0, began + minutes * 60 - loop.time()))
    await _end([*watchers])
    # A request that is cut off here has no answer: it may have been done, and nobody counts on it.
    await _end(lives)
    await _end(followers)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Town]:
    """The town, started."""
    town = build(folder)
    try:
        for server in town.servers:
            await server.link.start()
            await asyncio.to_thread(server.start)
        yield town
    finally:
        town.close()
        for link in town.links():
            await link.close()


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=False))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """The exit status: 0 if nothing is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run; drawn if not given")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--pause", type=float, default=15, help="seconds between two things that somebody does")
    parser.add_argument("--keep", action="store_true", help="keep the folder with databases and logs")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    _say(f"seed {seed}; databases and logs are in {folder}")
    report = asyncio.run(
        soak(
            folder,
            minutes=given.minutes,
            seed=seed,
            people=given.people,
            rooms=given.rooms,
            pause_s=given.pause,
        )
    )
    print(report.text())
    if not report.problems and not given.keep:
        shutil.rmtree(folder)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
