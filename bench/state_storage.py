"""`python -m bench.state_storage`: bytes on disk for what a room's state was, beside Synapse, by the same requests.

A room gets 10,000 members, and then members and a few other pieces of state change. The members are bans of people who
need not exist: to the state a ban is a member like any other, and nobody has to be registered or asked. Counted are the
tables that hold states, with their indexes, in a copy that is vacuumed: what the file has less without them.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp

from bench import servers
from bench.report import OURS, THEIRS
from bench.target import Person, Target

AT_ONCE: Final = 10
SEED: Final = 1
TABLES: Final = {
    OURS: ("room_state", "room_state_chunk"),
    THEIRS: ("state_groups", "state_groups_state", "state_group_edges", "event_to_state_groups"),
}
"""Where each server keeps which state was where."""


def state_bytes(database: Path, tables: tuple[str, ...], scratch: Path) -> int:
    """What these tables take of an SQLite database that is in use; `scratch` is an empty folder for a copy."""
    path = scratch / "copy.db"
    with sqlite3.connect(path) as copy:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as source:
            source.backup(copy)
        source.close()
        copy.isolation_level = None
        sizes = []
        for statements in ((), tuple(f"DROP TABLE {table}" for table in tables)):
            for statement in (*statements, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                copy.execute(statement).fetchall()
            sizes.append(int(copy.execute("PRAGMA page_count").fetchone()[0]))
        (page_size,) = copy.execute("PRAGMA page_size").fetchone()
    copy.close()
    path.unlink()
    return (sizes[0] - sizes[1]) * int(page_size)


async def _many(count: int, act: Callable[[int], Awaitable[None]]) -> None:
    """`AT_ONCE` at a time."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await act(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _member(person: Person, room_id: str, number: int, reason: str) -> None:
    content = {"membership": "ban", "reason": reason}
    await person.set_state(room_id, "m.room.member", f"@member{number}:elsewhere.example", content)


async def weigh(target: Target, database: Path, *, members: int, changes: int) -> tuple[float, float]:
    """Bytes for each member while the room grows, and for each change after that."""
    chance = random.Random(SEED)  # noqa: S311
    person = await target.person()
    room_id = await person.create_room()
    sizes: list[int] = []

    def look() -> None:
        with tempfile.TemporaryDirectory(prefix="state-") as scratch:
            sizes.append(state_bytes(database, TABLES[target.name], Path(scratch)))

    async def change(number: int) -> None:
        if number % 10:
            await _member(person, room_id, int(chance.paretovariate(0.7)) % members, f"change {number}")
        else:
            await person.set_state(room_id, "bench.entry", str(chance.randrange(30)), {"number": number})

    look()
    await _many(members, lambda number: _member(person, room_id, number, "first"))
    look()
    await _many(changes, change)
    look()
    return (sizes[1] - sizes[0]) / members, (sizes[2] - sizes[1]) / changes


async def run(folder: Path, names: list[str], *, members: int, changes: int) -> None:
    """Start the servers that are named, measure them, print a line of a table for each."""
    with servers.both(folder) as started:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session:
            for name, server in zip((THEIRS, OURS), started, strict=True):
                if name not in names:
                    continue
                server.start()
                target = Target(name, server.url, server.pid, session, server.folder)
                database = server.folder / "homeserver.db"
                growing, changing = await weigh(target, database, members=members, changes=changes)
                print(f"| {name} | {members:,} | {growing:,.0f} | {changes:,} | {changing:,.0f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--only", choices=(THEIRS, OURS), help="measure one of them")
    given = parser.parse_args()
    names = [given.only] if given.only else [THEIRS, OURS]
    print("| | members | bytes for each, while it grew | changes | bytes for each |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="state-storage-") as folder:
        asyncio.run(run(Path(folder), names, members=given.members, changes=given.changes))


if __name__ == "__main__":
    main()
