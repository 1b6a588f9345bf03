"""What `Database` promises, on every engine."""

import asyncio
from contextlib import suppress

import pytest

from ranvier.db.engine import Database, DatabaseError, UniqueViolation, UnstorableValue


@pytest.fixture(autouse=True)
async def _table(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("CREATE TABLE t (a BIGINT NOT NULL PRIMARY KEY, b TEXT, flag SMALLINT)")


async def test_rows_are_tuples_and_absence_is_none(db: Database) -> None:
    async with db.write() as tx:
        assert await tx.run("INSERT INTO t (a, b, flag) VALUES ($1, $2, $3)", 1, "x", True) == 1
        await tx.many("INSERT INTO t (a, b) VALUES ($1, $2)", [(2, "y"), (3, None)])
    assert await db.all("SELECT a, b, flag FROM t ORDER BY a") == [(1, "x", 1), (2, "y", None), (3, None, None)]
    assert await db.one("SELECT a FROM t WHERE b = $1", "y") == (2,)
    assert await db.one("SELECT a FROM t WHERE b = $1", "nobody") is None
    assert await db.value("SELECT a FROM t WHERE b = $1", "x") == 1
    assert await db.value("SELECT a FROM t WHERE b = $1", "nobody") is None


async def test_run_counts_changed_rows(db: Database) -> None:
    async with db.write() as tx:
        await tx.many("INSERT INTO t (a) VALUES ($1)", [(1,), (2,), (3,)])
        assert await tx.run("UPDATE t SET b = $1 WHERE a > $2", "x", 1) == 2
        assert await tx.run("DELETE FROM t WHERE a = $1", 9) == 0
        assert await tx.run("DELETE FROM t") == 3


LONG = (
    "INSERT INTO t (a, b) WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
    " SELECT i, 'long' FROM n"
)
ROWS = 300_000


async def test_others_go_on_during_a_long_statement(db: Database) -> None:
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    going = asyncio.create_task(go_on())
    async with db.write() as tx:
        before = turns
        assert await tx.run_long(LONG, 999 + ROWS) == ROWS
        assert turns > before + 1
        assert await tx.value("SELECT COUNT(*) FROM t") == ROWS
    going.cancel()
    assert await db.value("SELECT COUNT(*) FROM t") == ROWS


async def test_others_go_on_while_very_many_rows_are_written(db: Database) -> None:
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.0005)

    going = asyncio.create_task(go_on())
    async with db.write() as tx:
        before = turns
        await tx.many("INSERT INTO t (a, b) VALUES ($1, $2)", [(number, "x" * 100) for number in range(20_000)])
        assert turns > before + 1
    going.cancel()
    assert await db.value("SELECT COUNT(*) FROM t") == 20_000


async def test_a_long_statement_that_fails_ends_the_transaction(db: Database) -> None:
    with pytest.raises(DatabaseError):
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a, b) VALUES ($1, $2)", 1, "one")
            with suppress(DatabaseError):
                await tx.run_long("INSERT INTO t (a, b) VALUES ($1, $2)", 1, "again")
    assert await db.all("SELECT a FROM t") == []


async def test_a_long_statement_that_is_cancelled_leaves_nothing(db: Database) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with db.write() as tx:
            begun.set()
            await tx.run_long(LONG, 999 + ROWS)

    writing = asyncio.create_task(write())
    await begun.wait()
    await asyncio.sleep(0.001)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with db.write() as tx:
        await tx.run("INSERT INTO t (a, b) VALUES ($1, $2)", 1, "one")
    assert await db.all("SELECT a FROM t") == [(1,)]


async def test_a_parameter_may_be_used_twice_and_out_of_order(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("INSERT INTO t (b, a) VALUES ($2, $1)", 7, "seven")
        await tx.run("UPDATE t SET a = a + $1 WHERE a = $1", 7)
    assert await db.all("SELECT a, b FROM t") == [(14, "seven")]


async def test_lists(db: Database) -> None:
    async with db.write() as tx:
        await tx.many("INSERT INTO t (a, b) VALUES ($1, $2)", [(1, "x"), (2, "y"), (3, 'z"é')])
    assert await db.all("SELECT a FROM t WHERE a = ANY($1) AND a > $2 ORDER BY a", [1, 3, 9], 0) == [(1,), (3,)]
    assert await db.all("SELECT a FROM t WHERE b = ANY($1) ORDER BY a", ["y", 'z"é']) == [(2,), (3,)]
    assert await db.all("SELECT a FROM t WHERE a <> ALL($1)", [1, 2]) == [(3,)]
    assert await db.all("SELECT a FROM t WHERE a = ANY($1)", []) == []
    async with db.write() as tx:
        assert await tx.run("DELETE FROM t WHERE a = ANY($1)", [1, 2]) == 2


async def test_returning(db: Database) -> None:
    async with db.write() as tx:
        assert await tx.value("INSERT INTO t (a) VALUES ($1) RETURNING a", 5) == 5
    assert await db.value("SELECT a FROM t") == 5


async def test_an_exception_rolls_back(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES (1)")
            raise RuntimeError
    assert await db.all("SELECT a FROM t") == []


async def test_a_transaction_sees_its_own_writes_and_others_do_not(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("INSERT INTO t (a) VALUES (1)")
        assert await tx.value("SELECT a FROM t") == 1
        assert await db.value("SELECT a FROM t") is None
    assert await db.value("SELECT a FROM t") == 1


async def test_duplicates(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("INSERT INTO t (a) VALUES (1)")
    with pytest.raises(UniqueViolation):
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES (1)")


async def test_after_a_failed_statement_nothing_is_kept(db: Database) -> None:
    with pytest.raises(DatabaseError):
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES (1)")
            with pytest.raises(DatabaseError):
                await tx.run("INSERT INTO nowhere VALUES (1)")
            with pytest.raises(DatabaseError):
                await tx.run("INSERT INTO t (a) VALUES (2)")
    assert await db.all("SELECT a FROM t") == []
    async with db.write() as tx:
        await tx.run("INSERT INTO t (a) VALUES (3)")
    assert await db.all("SELECT a FROM t") == [(3,)]


@pytest.mark.parametrize("sql", ["SELECT nonsense", "SELECT a FROM nowhere", "SELEC"])
async def test_no_driver_exception_escapes(db: Database, sql: str) -> None:
    for call in (db.all, db.one, db.value):
        with pytest.raises(DatabaseError):
            await call(sql)
    with pytest.raises(DatabaseError):
        async with db.write() as tx:
            await tx.many(sql, [(1,)])


@pytest.mark.parametrize("value", ["\ud800", 1 << 63, -(1 << 63) - 1])
async def test_values_that_no_column_can_hold(db: Database, value: object) -> None:
    column = "b" if isinstance(value, str) else "a"
    with pytest.raises(UnstorableValue):
        await db.all(f"SELECT a FROM t WHERE {column} = $1", value)


async def test_text_that_no_column_can_hold_in_a_list(db: Database) -> None:
    with pytest.raises(UnstorableValue):
        await db.all("SELECT a FROM t WHERE b = ANY($1)", ["\ud800"])


async def test_an_argument_of_the_wrong_type_is_our_mistake(db: Database) -> None:
    if db.dialect == "sqlite":
        return  # SQLite compares anything with anything
    with pytest.raises(DatabaseError) as caught:
        await db.all("SELECT a FROM t WHERE a = $1", "1")
    assert not isinstance(caught.value, UnstorableValue)


async def test_nul_is_stored_or_refused_as_unstorable(db: Database) -> None:
    try:
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a, b) VALUES (1, $1)", "a\0b")
    except UnstorableValue:
        assert db.dialect == "postgres"
    else:
        assert await db.value("SELECT b FROM t") == "a\0b"


async def test_a_snapshot_does_not_move(db: Database) -> None:
    async with db.snapshot() as reader:
        assert await reader.value("SELECT COUNT(*) FROM t") == 0
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES (1)")
        assert await reader.all("SELECT a FROM t") == []
        assert await reader.one("SELECT a FROM t") is None
    async with db.snapshot() as reader:
        assert await reader.value("SELECT COUNT(*) FROM t") == 1


async def test_counters(db: Database) -> None:
    before = db.counters.statements, db.counters.write_transactions, db.counters.read_transactions
    async with db.write() as tx:
        await tx.many("INSERT INTO t (a) VALUES ($1)", [(1,), (2,)])
        await tx.many("INSERT INTO t (a) VALUES ($1)", [])
        await tx.run("UPDATE t SET flag = $1", 0)
    await db.one("SELECT a FROM t")
    async with db.snapshot() as reader:
        await reader.value("SELECT a FROM t")
    with pytest.raises(RuntimeError):
        async with db.write():
            raise RuntimeError
    after = db.counters.statements, db.counters.write_transactions, db.counters.read_transactions
    assert [new - old for new, old in zip(after, before, strict=True)] == [4, 1, 1]


async def test_a_transaction_cannot_be_used_when_it_is_over(db: Database) -> None:
    async with db.write() as tx:
        pass
    with pytest.raises(DatabaseError):
        await tx.run("INSERT INTO t (a) VALUES (1)")


async def test_many_writers_at_once_each_keep_their_own(db: Database) -> None:
    async def write(number: int) -> None:
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES ($1)", number)
            if number % 3 == 0:
                raise RuntimeError

    results = await asyncio.gather(*(write(number) for number in range(40)), return_exceptions=True)
    assert [isinstance(result, RuntimeError) for result in results] == [number % 3 == 0 for number in range(40)]
    assert await db.all("SELECT a FROM t ORDER BY a") == [(number,) for number in range(40) if number % 3]


async def test_a_cancelled_writer_leaves_nothing_and_blocks_nobody(db: Database) -> None:
    entered = asyncio.Event()

    async def write(number: int, *, wait: bool) -> None:
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES ($1)", number)
            if wait:
                entered.set()
                await asyncio.sleep(60)

    running = asyncio.create_task(write(1, wait=True))
    await entered.wait()
    queued = [asyncio.create_task(write(number, wait=False)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    queued[1].cancel()
    running.cancel()
    await asyncio.gather(running, *queued, return_exceptions=True)
    assert await db.all("SELECT a FROM t ORDER BY a") == [(2,), (4,)]


async def test_after_close_everything_is_refused(db: Database) -> None:
    await db.close()
    await db.close()
    with pytest.raises(DatabaseError):
        await db.one("SELECT 1")
    with pytest.raises(DatabaseError):
        async with db.write():
            pass
