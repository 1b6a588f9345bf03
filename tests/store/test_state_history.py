"""The state history against a plain replay: every state ever made reads back, whole, in part and as a difference."""

import random
from collections.abc import Collection

import pytest

from ranvier.db.engine import Database
from ranvier.state.history import Derived, RoomHistory, known_state
from ranvier.state.layer_cache import LayerCache
from ranvier.store import state_history
from ranvier.store.state_keys import MEMBER_KEYS

ROOM = 7

State = dict[int, int]


def with_changes(state: State, changes: State) -> State:
    return {key: nid for key, nid in {**state, **changes}.items() if nid}


async def store(db: Database, history: RoomHistory, *derived: Derived) -> None:
    async with db.write() as tx:
        await state_history.insert(tx, [one.rows for one in derived])
    for one in derived:
        history.committed(one.rows.last_state_no)


class Replay:
    """States as plain dictionaries beside the history under test."""

    def __init__(self, db: Database, history: RoomHistory, seed: int) -> None:
        self.db = db
        self.history = history
        self.random = random.Random(seed)
        self.states: dict[int, State] = {0: {}}
        self.uncommitted: list[Derived] = []
        self._nid = 0

    def key(self) -> int:
        if self.random.random() < 0.1:
            return self.random.randrange(1, 40)
        return MEMBER_KEYS + int(self.random.paretovariate(0.7)) % 3000

    def changes(self, base: State) -> State:
        changes = {}
        for _ in range(self.random.choices([1, 2, 5, 200, 1500], [80, 8, 8, 3, 1])[0]):
            self._nid += 1
            changes[self.key()] = self._nid
        if base and self.random.random() < 0.1:
            for key in self.random.sample(sorted(base), min(len(base), self.random.choice([1, 1, 40]))):
                changes[key] = 0
        if self.random.random() < 0.05:
            changes = {key: base[key] for key in list(base)[:2]} or changes  # Nothing at all.
        return changes

    async def step(self, base_no: int) -> int:
        base = self.states[base_no]
        changes = self.changes(base)
        told = {key: base.get(key, 0) for key in changes} if self.random.random() < 0.5 else None
        derived = await self.history.derive(base_no, changes, replaced=told)
        after = with_changes(base, changes)
        if after == base:
            assert derived.state_no == base_no
            assert not derived.rows.states
        self.states[derived.state_no] = after
        self.uncommitted.append(derived)
        if self.random.random() < 0.4:
            await self.commit()
        return derived.state_no

    async def commit(self) -> None:
        await store(self.db, self.history, *self.uncommitted)
        self.uncommitted = []

    async def run(self, steps: int) -> None:
        tip = await self.step(0)
        for _ in range(steps):
            if self.random.random() < 0.1:
                tip = self.random.choice(list(self.states)[1:])
            tip = await self.step(tip)
            if self.random.random() < 0.1:
                await self.compare(self.history, self.random.sample(list(self.states), 1))

    async def compare(self, history: RoomHistory, numbers: Collection[int]) -> None:
        for state_no in numbers:
            expected = self.states[state_no]
            assert await history.load_state(known_state(state_no)) == expected
            non_members = {key: nid for key, nid in expected.items() if key < MEMBER_KEYS}
            assert await history.load_non_members(state_no) == non_members
            keys = [self.key() for _ in range(20)]
            assert await history.get(state_no, keys) == {key: expected[key] for key in keys if key in expected}
            other_no = self.random.choice(list(self.states))
            other = self.states[other_no]
            assert await history.difference(state_no, other_no) == {
                key: (expected.get(key, 0), other.get(key, 0))
                for key in expected.keys() | other.keys()
                if expected.get(key) != other.get(key)
            }
            assert await history.equal(state_no, other_no) == (expected == other)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [200, 100_000])
async def test_every_state_reads_back(db: Database, seed: int, limit: int) -> None:
    replay = Replay(db, await RoomHistory.load(db, ROOM, cache=LayerCache(limit)), seed)
    await replay.run(250)
    await replay.commit()
    numbers = replay.random.sample(list(replay.states), 30)
    await replay.compare(replay.history, numbers)
    fresh = await RoomHistory.load(db, ROOM, cache=LayerCache(limit))
    await replay.compare(fresh, numbers)
    for tip in numbers[:5]:
        changed = await fresh.derive(tip, {1: 10**6 + tip})
        assert await fresh.load_state(known_state(changed.state_no)) == with_changes(
            replay.states[tip], {1: 10**6 + tip}
        )


async def test_a_purge_keeps_what_lives(db: Database) -> None:
    replay = Replay(db, await RoomHistory.load(db, ROOM), 11)
    await replay.run(300)
    await replay.commit()
    live = replay.random.sample(list(replay.states)[1:], 40)
    async with db.write() as tx:
        gone = await replay.history.purge(tx, live)
    assert gone > len(replay.states) // 2
    left = await state_history.bases(db, ROOM)
    assert set(live) <= set(left)
    assert all(base == 0 or base in left for base in left.values())
    for history in (replay.history, await RoomHistory.load(db, ROOM)):
        for state_no in live:
            assert await history.load_state(known_state(state_no)) == replay.states[state_no]
    dead = next(no for no in replay.states if no and no not in left)
    with pytest.raises(LookupError):
        await replay.history.load_state(known_state(dead))
    chunks = await db.all("SELECT DISTINCT state_no FROM room_state_chunk WHERE room_nid = $1", ROOM)
    assert {row[0] for row in chunks} <= set(left)


async def test_states_that_wait_for_their_commit_survive_a_purge(db: Database) -> None:
    history = await RoomHistory.load(db, ROOM)
    root = await history.root({1: 1, 2: 2})
    await store(db, history, root)
    waiting = await history.derive(root.state_no, {2: 3})
    async with db.write() as tx:
        assert await history.purge(tx, []) == 0
    await store(db, history, waiting)
    assert await (await RoomHistory.load(db, ROOM)).load_state(known_state(waiting.state_no)) == {1: 1, 2: 3}


async def test_rooms_do_not_see_each_other(db: Database) -> None:
    cache = LayerCache()
    one, other = [await RoomHistory.load(db, nid, cache=cache) for nid in (1, 2)]
    for history, nid in ((one, 10), (other, 20)):
        await store(db, history, await history.root({MEMBER_KEYS + n: nid for n in range(500)}))
    assert await one.get(1, [MEMBER_KEYS]) == {MEMBER_KEYS: 10}
    assert await other.get(1, [MEMBER_KEYS]) == {MEMBER_KEYS: 20}


async def test_the_numbers_go_on_after_a_restart(db: Database) -> None:
    history = await RoomHistory.load(db, ROOM)
    root = await history.root({1: 1})
    await store(db, history, root, await history.derive(root.state_no, {2: 2}))
    fresh = await RoomHistory.load(db, ROOM)
    assert (await fresh.derive(1, {3: 3})).state_no == 3


async def test_nobody_in_an_empty_state(db: Database) -> None:
    history = await RoomHistory.load(db, ROOM)
    assert await history.load_state(known_state(0)) == {}
    assert await history.get(0, [1]) == {}
    assert (await history.root({})).state_no == 0
    root = await history.root({1: 1})
    assert await history.difference(0, root.state_no) == {1: (0, 1)}
    with pytest.raises(LookupError):
        await history.load_state(known_state(99))


@pytest.mark.parametrize("size", [1, 60, 700, 9000])
async def test_a_great_state_in_two_steps_is_the_same(db: Database, size: int) -> None:
    derived, prepared = [await RoomHistory.load(db, room_nid) for room_nid in (ROOM, ROOM + 1)]
    base = {key: key + 1 for key in range(1, 50)} | {MEMBER_KEYS + key: key + 7 for key in range(40)}
    picks = random.Random(size)
    changes = {MEMBER_KEYS + picks.randrange(20_000): number + 1000 for number in range(size)} | {3: 0, 5: 6}
    roots = [await history.root(base) for history in (derived, prepared)]
    await store(db, derived, roots[0])
    await store(db, prepared, roots[1])
    one = await derived.derive(roots[0].state_no, changes)
    other = prepared.place(await prepared.prepare(roots[1].state_no, changes))
    assert [row[2:] for row in one.rows.states] == [row[2:] for row in other.rows.states]
    assert [row[2:] for row in one.rows.chunks] == [row[2:] for row in other.rows.chunks]
    assert await prepared.load_state(known_state(other.state_no)) == with_changes(base, changes)
    await store(db, prepared, other)
    assert await prepared.load_state(known_state(other.state_no)) == with_changes(base, changes)
    again = prepared.place(await prepared.prepare(other.state_no, changes))
    assert again.state_no == other.state_no
    assert not again.rows.states
