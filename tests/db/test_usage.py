"""What a request is told to have asked of its database, on both engines."""

import asyncio
import contextvars

from ranvier.db.engine import Database
from ranvier.usage import Usage, current_usage


async def _counted(db: Database, work: str) -> Usage:
    """What one kind of work comes to, as a request of its own."""
    usage = Usage()

    async def request() -> None:
        current_usage.set(usage)
        if work == "statement":
            await db.value("SELECT v FROM t WHERE v = $1", 1)
        elif work == "snapshot":
            async with db.snapshot() as reader:
                await reader.all("SELECT v FROM t")
                await reader.one("SELECT v FROM t")
        else:
            async with db.write() as tx:
                await tx.run("INSERT INTO t VALUES ($1)", 1)
                await tx.many("INSERT INTO t VALUES ($1)", [(2,), (3,)])

    await asyncio.create_task(request(), context=contextvars.copy_context())
    return usage


async def test_transactions_and_time(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("CREATE TABLE t (v BIGINT)")
    for work in ("statement", "snapshot", "write"):
        usage = await _counted(db, work)
        assert (work, usage.transactions) == (work, 1)
        assert usage.busy_s > 0


async def test_who_waits_for_another_is_told(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("CREATE TABLE t (v BIGINT)")
    if db.dialect == "postgres":
        return  # Its writers wait for connections, of which there are plenty.
    async with db.write() as tx:
        await tx.run("INSERT INTO t VALUES (0)")
        waiting = asyncio.create_task(_counted(db, "write"))
        await asyncio.sleep(0.05)
    assert (await waiting).waited_s >= 0.04


async def test_outside_of_requests_nobody_counts(db: Database) -> None:
    assert current_usage.get() is None
    await db.value("SELECT 1")
