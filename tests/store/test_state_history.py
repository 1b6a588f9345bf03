"""The state history against a plain replay: every state ever made can be read back, whole, in part and as a difference."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.state import codec
from ranvier.state.history import RoomHistory
from ranvier.store import state_history
from ranvier.store.state_keys import MEMBER_KEYS

ROOM = 7


@pytest.fixture
async def db(db_config: DatabaseConfig) -> AsyncIterator[Database]:
    database = await open_database(db_config, now_ms=0)
    yield database
    await database.close()


class Replay:
    """States as plain dictionaries beside the history under test."""

    def __init__(self, db: Database, history: RoomHistory, seed: int) -> None:
        self.db = db
        self.history = history
        self.random = random.Random(seed)
        self.states: dict[int, dict[int, int]] = {0: {}}
        self.nid = 0

    def key(self) -> int:
        low = self.random.random() < 0.1
        return self.random.randrange(1, 40) if low else MEMBER_KEYS + int(self.random.paretovariate(0.7)) % 3000

    def changes(self, base: dict[int, int]) -> dict[int, int]:
        size = self.random.choice([1, 1, 1, 1, 1, 2, 5, 200])
        changes = {}
        for _ in range(size):
            self.nid += 1
            changes[self.key()] = self.nid
        if base and self.random.random() < 0.2:
            changes[self.random.choice(list(base))] = 0
        return changes

    async def step(self, base_no: int) -> int:
        base = self.states[base_no]
        changes = self.changes(base)
        derived = await self.history.derive(base_no, changes)
        self.states[derived.state_no] = {key: nid for key, nid in {**base, **changes}.items() if nid}
        async with self.db.write() as tx:
            await state_history.insert(tx, [derived.rows])
        self.history.committed(derived.state_no)
        return derived.state_no


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("remembered", [300, 100_000])
async def test_every_state_reads_back(db: Database, seed: int, remembered: int) -> None:
    replay = Replay(db, await RoomHistory.load(db, ROOM, remembered=remembered), seed)
    tip = await replay.step(0)
    for _ in range(250):
        if replay.random.random() < 0.1:
            tip = replay.random.choice(list(replay.states)[1:])
        tip = await replay.step(tip)
    fresh = await RoomHistory.load(db, ROOM, remembered=remembered)
    numbers = list(replay.states)
    for state_no in replay.random.sample(numbers, 60):
        expected = replay.states[state_no]
        assert await fresh.load_state(state_no) == expected
        members = {key: nid for key, nid in expected.items() if key >= MEMBER_KEYS}
        assert await fresh.load_non_members(state_no) == {k: v for k, v in expected.items() if k not in members}
        keys = [replay.key() for _ in range(20)]
        assert await fresh.get(state_no, keys) == {key: expected[key] for key in keys if key in expected}
        other_no = replay.random.choice(numbers)
        other = replay.states[other_no]
        assert await fresh.difference(state_no, other_no) == {
            key: (expected.get(key, 0), other.get(key, 0))
            for key in expected.keys() | other.keys()
            if expected.get(key) != other.get(key)
        }
        equal = await fresh.fingerprint(state_no) == await fresh.fingerprint(other_no)
        assert equal == (expected == other)


async def test_deriving_at_the_tip_reads_nothing(db: Database) -> None:
    history = await RoomHistory.load(db, ROOM)
    tip = (await history.root({MEMBER_KEYS + n: n + 1 for n in range(1000)})).state_no
    before = db.counters.statements
    for n in range(200):
        tip = (await history.derive(tip, {MEMBER_KEYS + n % 50: 2000 + n})).state_no
    assert db.counters.statements == before


async def test_bytes_a_change(db: Database) -> None:
    """At most 120 bytes a state change in SQLite's file for a room of 10,000 members; payload alone is counted here."""
    history = await RoomHistory.load(db, ROOM)
    tip = (await history.root({MEMBER_KEYS + n: n + 1 for n in range(10_000)})).state_no
    source = random.Random(1)
    size = 0
    for n in range(4000):
        derived = await history.derive(tip, {MEMBER_KEYS + int(source.paretovariate(0.7)) % 10_000: 20_000 + n})
        tip = derived.state_no
        size += sum(len(row[5] or b"") for row in derived.rows.states) + sum(len(row[3]) for row in derived.rows.chunks)
    assert size / 4000 < 80


def test_codec_round_trip() -> None:
    source = random.Random(3)
    for size in [0, 1, 2, 48, 49, 128, 5000]:
        for bits in [4, 20, 40]:
            entries = {source.getrandbits(bits) + 1: source.choice([0, source.getrandbits(bits)]) for _ in range(size)}
            assert codec.decode(codec.encode(entries)) == entries


def test_small_rows_stay_small(tmp_path: Path) -> None:
    entries = {MEMBER_KEYS + n * 1000: 1_000_000 + n * 7 for n in range(state_history.CHUNK)}
    assert len(codec.encode(entries)) < 1000
