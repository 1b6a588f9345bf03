"""What the state history may cost: statements, and bytes in the file."""

import random
import sqlite3

import pytest

from ranvier.db.engine import Database
from ranvier.state.history import RoomHistory, known_state
from ranvier.state.layer_cache import LayerCache
from ranvier.store import state_history
from ranvier.store.state_keys import MEMBER_KEYS

MEMBERS = 5_000
ROOM = 7
MOST_BYTES = {"sqlite": 120, "postgres": 200}
"""That a change of state may take on disk."""


@pytest.fixture
async def tip(db: Database) -> int:
    """A room of many members with some history."""
    history = await RoomHistory.load(db, ROOM)
    entries = {MEMBER_KEYS + 3 * n: n + 100 for n in range(MEMBERS)} | {key: key for key in range(1, 50)}
    derived = await history.root(entries)
    rows = [derived.rows]
    for n in range(600):
        derived = await history.derive(derived.state_no, {MEMBER_KEYS + 3 * (n * 37 % MEMBERS): 10_000 + n})
        rows.append(derived.rows)
    async with db.write() as tx:
        await state_history.insert(tx, rows)
    return derived.state_no


async def test_opening_is_one_statement_and_deriving_at_the_tip_none(db: Database, tip: int) -> None:
    before = db.counters.statements
    history = await RoomHistory.load(db, ROOM)
    assert db.counters.statements == before + 1
    current = tip
    for n in range(100):
        key = MEMBER_KEYS + 3 * n
        known = {key: 1} if n % 2 else {key: 0}
        derived = await history.derive(current, {key: 20_000 + n}, replaced=known)
        current = derived.state_no
    assert db.counters.statements == before + 1


async def test_a_room_that_does_not_exist_yet_reads_nothing(db: Database) -> None:
    before = db.counters.statements
    history = await RoomHistory.load(db, 0)
    history.room_nid = ROOM
    derived = await history.root({1: 1})
    for n in range(50):
        derived = await history.derive(derived.state_no, {MEMBER_KEYS + n: n + 2})
    assert derived.rows.states[0][0] == ROOM
    assert db.counters.statements == before


async def test_reading_is_a_statement_for_the_layers_and_one_for_the_chunks(db: Database, tip: int) -> None:
    async def cost(history: RoomHistory, state_no: int) -> int:
        before = db.counters.statements
        await history.get(state_no, [1, MEMBER_KEYS, MEMBER_KEYS + 3 * 4000])
        return db.counters.statements - before

    history = await RoomHistory.load(db, ROOM)
    assert await cost(history, tip) <= 1
    assert await cost(history, tip) == 0
    assert await cost(history, tip - 7) <= 2
    assert await cost(history, tip - 7) == 0
    before = db.counters.statements
    assert len(await history.load_state(known_state(tip - 9))) == MEMBERS + 49
    assert db.counters.statements <= before + 2
    before = db.counters.statements
    assert len(await history.load_non_members(tip - 20)) == 49
    assert db.counters.statements <= before + 2
    before = db.counters.statements
    assert len(await history.difference(tip - 30, tip - 2)) == 28
    assert db.counters.statements <= before + 4


async def test_memory_is_bounded(db: Database, tip: int) -> None:
    cache = LayerCache(2_000)
    history = await RoomHistory.load(db, ROOM, cache=cache)
    for state_no in range(1, tip, 5):
        await history.get(state_no, [MEMBER_KEYS + 3 * state_no])
        assert cache.size <= 2_000
    await history.load_state(known_state(tip))
    assert cache.size <= 2_000


async def test_bytes_a_change(db: Database) -> None:
    """At most so many bytes a change on disk, indexes and page headers included, in a room of 10,000 members."""
    history = await RoomHistory.load(db, ROOM)
    source = random.Random(1)
    rows = []
    derived = await history.root({MEMBER_KEYS + n: n + 1 for n in range(10_000)})
    rows.append(derived.rows)
    for n in range(4000):
        key = MEMBER_KEYS + int(source.paretovariate(0.7)) % 10_000 if n % 10 else source.randrange(1, 30)
        derived = await history.derive(derived.state_no, {key: 20_000 + 5 * n})
        rows.append(derived.rows)
    async with db.write() as tx:
        await state_history.insert(tx, rows[:1])
    before = await _bytes(db)
    async with db.write() as tx:
        await state_history.insert(tx, rows[1:])
    assert (await _bytes(db) - before) / 4000 <= MOST_BYTES[db.dialect]


async def _bytes(db: Database) -> int:
    """What the database takes when it is packed; of PostgreSQL's only the tables of states."""
    if db.dialect != "sqlite":
        sizes = [
            int(await db.value("SELECT pg_total_relation_size($1::TEXT::REGCLASS)", table))
            for table in ("room_state", "room_state_chunk")
        ]
        return sum(sizes)
    (_, _, path) = (await db.all("PRAGMA database_list"))[0]
    with sqlite3.connect(":memory:") as copy:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as file:
            file.backup(copy)
        file.close()
        copy.isolation_level = None
        copy.execute("VACUUM")
        pages: int = copy.execute("PRAGMA page_count").fetchone()[0]
        size: int = copy.execute("PRAGMA page_size").fetchone()[0]
    copy.close()
    return pages * size
