"""What it costs to take in a great state: counted, because time is not what tests can hold."""

import tracemalloc

from ranvier.federation import state_stream
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


def test_batches_are_small() -> None:
    assert state_stream.BATCH <= 250
