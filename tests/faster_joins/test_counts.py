"""What it costs to take in a great state: counted, because time is not what tests can hold."""

import tracemalloc
from asyncio import BaseEventLoop
from collections import Counter
from typing import Any

import orjson
import pytest

from ranvier.federation import screening, state_stream
from ranvier.federation.keys import ServerKeys
from ranvier.proto import canonical_json
from ranvier.rooms import full_state, outlier_intake, outliers
from ranvier.state import history
from tests.faster_joins.stage import Stage, staged

MEMBERS = 1_200


def _names(count: int) -> list[str]:
    return [f"@user{number}:resident.test" for number in range(count)]


@staged()
async def test_statements(s: Stage) -> None:
    room = s.room(members=_names(MEMBERS))
    await s.join_partially(room)
    await s.pause(600)
    before = s.ours.db.counters.statements, s.ours.db.counters.write_transactions
    s.release()
    await s.until_full(room)
    statements = s.ours.db.counters.statements - before[0]
    transactions = s.ours.db.counters.write_transactions - before[1]
    await s.check_full(room)
    assert statements < MEMBERS / 10, statements
    assert transactions < MEMBERS / 40, transactions


@staged()
async def test_memory_beside_the_answer(s: Stage) -> None:
    room = s.room(members=_names(MEMBERS))
    await s.join_partially(room)
    await s.pause(600)
    tracemalloc.start()
    try:
        s.release()
        await s.until_full(room)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The scripted server, whose answer is one of the largest things here, is measured too.
    assert peak < MEMBERS * 40_000, peak


class Turns:
    """How many calls of each function there were in one turn of the event loop, at most."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        run_once = BaseEventLoop._run_once  # type: ignore[attr-defined]

        def turn(loop: BaseEventLoop) -> None:
            self._now.clear()
            run_once(loop)

        patch.setattr(BaseEventLoop, "_run_once", turn)

    def watch(self, module: object, name: str) -> None:
        """Count the calls of this function."""
        function = getattr(module, name)

        def counted(*args: Any, **how: Any) -> Any:
            self._now[name] += 1
            self.most[name] = max(self.most[name], self._now[name])
            return function(*args, **how)

        self._patch.setattr(module, name, counted)


@staged()
async def test_no_turn_of_the_loop_is_long(s: Stage) -> None:
    room = s.room(members=_names(MEMBERS))
    await s.join_partially(room)
    await s.pause(600)
    with pytest.MonkeyPatch.context() as patch:
        turns = Turns(patch)
        turns.watch(screening, "receive_event")
        turns.watch(outliers, "judge_by_auth_events")
        turns.watch(ServerKeys, "_verdict")
        s.release()
        await s.until_full(room)
    assert 0 < turns.most["receive_event"] <= 2 * screening.BREATH <= 100, turns.most
    assert 0 < turns.most["judge_by_auth_events"] <= 2 * outliers.BREATH <= 128, turns.most
    # On the loop itself only in plays; else in a thread, which lets go of the interpreter for each.
    assert 0 < turns.most["_verdict"] <= 256, turns.most


@staged()
async def test_no_turn_of_the_loop_is_long_in_a_join(s: Stage) -> None:
    room = s.room(members=_names(20))
    for number in range(MEMBERS):
        room.tell("org.example.entry", {}, state_key=f"{number}")
    s.resident.hold()
    with pytest.MonkeyPatch.context() as patch:
        turns = Turns(patch)
        turns.watch(screening, "receive_event")
        turns.watch(outliers, "judge_by_auth_events")
        await s.join(room)
    assert 0 < turns.most["receive_event"] <= 2 * screening.BREATH, turns.most
    assert 0 < turns.most["judge_by_auth_events"] <= 2 * outliers.BREATH, turns.most


class Encoder:
    """Counts what is encoded as canonical JSON."""

    def __init__(self) -> None:
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(orjson, name)

    def dumps(self, value: Any, **how: Any) -> bytes:
        """As that of `orjson`."""
        self.count += 1
        return orjson.dumps(value, **how)


@staged()
async def test_encodings(s: Stage) -> None:
    room = s.room(members=_names(MEMBERS))
    await s.join_partially(room)
    await s.pause(600)
    encoder = Encoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical_json, "orjson", encoder)
        s.release()
        await s.until_full(room)
    # What is stored, what its server has hashed, and what gives the id and is signed.
    assert encoder.count < 3.1 * MEMBERS, encoder.count


@staged()
async def test_the_full_state_is_asked_for_in_one_request(s: Stage) -> None:
    room = s.room(members=_names(MEMBERS))
    await s.join(room)
    await s.until_full(room)
    assert [request.act for request in s.resident.asked("state", "state_ids", "event")] == ["state"]


def test_batches_are_small() -> None:
    assert state_stream.BATCH <= 250
    assert outlier_intake.AT_ONCE <= 250
    assert full_state.AT_ONCE <= 500
    assert history.PORTION <= 5_000
