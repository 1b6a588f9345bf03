"""What is special about SQLite: shared commits, and reading while somebody writes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ranvier.db.engine import DatabaseError
from ranvier.db.sqlite import SqliteDatabase, open_sqlite


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = await open_sqlite(str(tmp_path / "homeserver.db"))
    async with database.write() as tx:
        await tx.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    yield database
    await database.close()


async def _insert(db: SqliteDatabase, number: int) -> None:
    async with db.write() as tx:
        await tx.run("INSERT INTO t (a) VALUES ($1)", number)


async def test_writers_at_once_share_a_commit(sqlite: SqliteDatabase) -> None:
    before = sqlite.counters.write_transactions
    await asyncio.gather(*(_insert(sqlite, number) for number in range(50)))
    assert sqlite.counters.write_transactions - before == 1
    assert await sqlite.value("SELECT COUNT(*) FROM t") == 50


async def test_a_group_is_bounded(sqlite: SqliteDatabase) -> None:
    before = sqlite.counters.write_transactions
    await asyncio.gather(*(_insert(sqlite, number) for number in range(200)))
    assert 4 <= sqlite.counters.write_transactions - before <= 5


async def test_closing_waits_for_a_commit_that_is_due(tmp_path: Path) -> None:
    path = str(tmp_path / "homeserver.db")
    first = await open_sqlite(path)
    async with first.write() as tx:
        await tx.run("CREATE TABLE t (a INTEGER)")
    writing = [asyncio.create_task(_insert(first, number)) for number in range(3)]
    await asyncio.sleep(0)  # they have begun, and none is committed
    await first.close()
    await asyncio.gather(*writing)
    second = await open_sqlite(path)
    assert await second.value("SELECT COUNT(*) FROM t") == 3
    await second.close()


async def test_a_failed_commit_fails_every_unit_of_the_group(sqlite: SqliteDatabase) -> None:
    async with sqlite.write() as tx:
        await tx.run("CREATE TABLE parent (a INTEGER PRIMARY KEY)")
        await tx.run("CREATE TABLE child (a INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    # A deferred constraint is the one thing that makes COMMIT itself fail on demand.
    sqlite._writer.raw.execute("PRAGMA foreign_keys = ON")

    async def orphan() -> None:
        async with sqlite.write() as tx:
            await tx.run("INSERT INTO child (a) VALUES (1)")

    await _insert(sqlite, 1)
    results = await asyncio.gather(_insert(sqlite, 2), orphan(), _insert(sqlite, 3), return_exceptions=True)
    assert [type(result) for result in results] == [DatabaseError] * 3
    assert await sqlite.all("SELECT a FROM t") == [(1,)]
    await _insert(sqlite, 4)
    assert await sqlite.all("SELECT a FROM t") == [(1,), (4,)]


async def test_what_was_acknowledged_is_there_after_opening_again(tmp_path: Path) -> None:
    path = str(tmp_path / "homeserver.db")
    first = await open_sqlite(path)
    async with first.write() as tx:
        await tx.run("CREATE TABLE t (a INTEGER)")
    await first.close()
    second = await open_sqlite(path)
    assert await second.all("SELECT a FROM t") == []
    await second.close()


async def test_memory_is_a_database_that_goes_away() -> None:
    for _ in range(2):
        db = await open_sqlite(":memory:")
        async with db.write() as tx:
            await tx.run("CREATE TABLE t (a INTEGER)")
        assert await db.all("SELECT a FROM t") == []
        await db.close()


async def test_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot open"):
        await open_sqlite(str(tmp_path / "missing" / "homeserver.db"))


async def test_closing_waits_for_writers(tmp_path: Path) -> None:
    path = str(tmp_path / "homeserver.db")
    db = await open_sqlite(path)
    async with db.write() as tx:
        await tx.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    writers = [asyncio.create_task(_insert(db, number)) for number in range(5)]
    await asyncio.sleep(0)
    await db.close()
    await asyncio.gather(*writers)
    db = await open_sqlite(path)
    assert await db.value("SELECT COUNT(*) FROM t") == 5
    await db.close()
