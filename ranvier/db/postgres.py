"""PostgreSQL: one held connection a transaction, statements prepared once a connection.

`write()` is READ COMMITTED, `snapshot()` REPEATABLE READ. Nothing is retried here: a statement whose connection died may
have been executed or not, and only the caller knows what that means.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final, TypeVar

import asyncpg

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Counters, DatabaseError, Reader, Row, Tx
from ranvier.db.postgres_errors import DRIVER_ERRORS, translated_error
from ranvier.db.postgres_pool import Connection, PostgresPool
from ranvier.db.postgres_settings import connect_arguments
from ranvier.usage import current_usage

_ORDERED_LOCALES: Final = frozenset(("C", "POSIX", "C.UTF-8", "C.utf8"))
"""Locales that compare text by code point, as SQLite and the code do."""

_T = TypeVar("_T")


async def open_postgres(config: DatabaseConfig) -> "PostgresDatabase":
    """Connect. Raises `DatabaseError` if that fails, or if the database's encoding or locale will not do."""
    arguments = connect_arguments(config.args)

    async def connect() -> Connection:
        connection: Connection = await asyncpg.connect(
            **arguments,
            statement_cache_size=1024,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
        )
        return connection

    pool = PostgresPool(connect, pool_min=config.pool_min, pool_max=config.pool_max, uses_limit=config.txn_limit)
    await pool.fill()
    db = PostgresDatabase(pool)
    try:
        await _check_encoding(db, allow_unsafe_locale=config.allow_unsafe_locale)
    except BaseException:
        await db.close()
        raise
    return db


async def _check_encoding(db: "PostgresDatabase", *, allow_unsafe_locale: bool) -> None:
    row = await db.one(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
    )
    if row is None:
        raise DatabaseError("PostgreSQL does not tell the encoding of the database")
    encoding, collate, ctype = row
    if encoding != "UTF8":
        raise DatabaseError(f"The database's encoding is {encoding}; create it with ENCODING 'UTF8'.")
    if not allow_unsafe_locale and not _ORDERED_LOCALES.issuperset((collate, ctype)):
        raise DatabaseError(
            f"The database's locale is {collate} (collation) and {ctype} (character types); create it with"
            " LC_COLLATE 'C' LC_CTYPE 'C', or set database.allow_unsafe_locale."
        )


class PostgresDatabase:
    """`Database` over a pool of connections."""

    dialect = "postgres"

    def __init__(self, pool: PostgresPool) -> None:
        self.counters = Counters()
        self._pool = pool

    async def all(self, sql: str, *args: object) -> list[Row]:
        connection = await self._take()
        try:
            return await PostgresTx(connection, self.counters).all(sql, *args)
        finally:
            self._pool.give_back(connection)

    async def one(self, sql: str, *args: object) -> Row | None:
        connection = await self._take()
        try:
            return await PostgresTx(connection, self.counters).one(sql, *args)
        finally:
            self._pool.give_back(connection)

    async def value(self, sql: str, *args: object) -> Any:
        row = await self.one(sql, *args)
        return None if row is None else row[0]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        async with self._transaction("BEGIN") as tx:
            yield tx
        self.counters.write_transactions += 1

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reader]:
        self.counters.read_transactions += 1
        async with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as tx:
            yield tx

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator["PostgresTx"]:
        """Commit at the end; on an exception, or if a statement had failed, roll back."""
        connection = await self._take()
        tx = PostgresTx(connection, self.counters)
        try:
            await tx.control(begin)
            yield tx
            tx.check()
            await tx.control("COMMIT")
        except BaseException:
            await self._roll_back(connection)
            raise
        else:
            self._pool.give_back(connection)
        finally:
            tx.over = True

    async def _take(self) -> Connection:
        """A connection for one transaction."""
        usage = current_usage.get()
        if usage is None:
            return await self._pool.take()
        began = perf_counter()
        connection = await self._pool.take()
        usage.waited_s += perf_counter() - began
        usage.transactions += 1
        return connection

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self._pool.discard(connection)
        except BaseException:
            self._pool.discard(connection)
            raise
        else:
            self._pool.give_back(connection)


class PostgresTx:
    """Statements on one connection. After one has failed the others are refused: PostgreSQL would do the same."""

    __slots__ = ("_connection", "_counters", "_failure", "over")

    def __init__(self, connection: Connection, counters: Counters) -> None:
        self._connection = connection
        self._counters = counters
        self._failure: DatabaseError | None = None
        self.over = False

    async def all(self, sql: str, *args: object) -> list[Row]:
        connection = self._usable()
        return [tuple(record) for record in await self._guarded(connection.fetch(sql, *_plain(args)))]

    async def one(self, sql: str, *args: object) -> Row | None:
        connection = self._usable()
        record = await self._guarded(connection.fetchrow(sql, *_plain(args)))
        return None if record is None else tuple(record)

    async def value(self, sql: str, *args: object) -> Any:
        row = await self.one(sql, *args)
        return None if row is None else row[0]

    async def run(self, sql: str, *args: object) -> int:
        connection = self._usable()
        return _rows_changed(await self._guarded(connection.execute(sql, *_plain(args))))

    async def run_long(self, sql: str, *args: object) -> int:
        return await self.run(sql, *args)

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        if rows:
            connection = self._usable()
            await self._guarded(connection.executemany(sql, [_plain(row) for row in rows]))

    async def control(self, sql: str) -> None:
        """A statement about transactions: not counted."""
        await self._guarded(self._connection.execute(sql))

    def check(self) -> None:
        """Raises `DatabaseError` if a statement has failed, or the transaction is over."""
        if self.over:
            raise DatabaseError("the transaction is over")
        if self._failure is not None:
            raise DatabaseError("a statement of this transaction has failed before") from self._failure

    def _usable(self) -> Connection:
        self.check()
        self._counters.statements += 1
        return self._connection

    async def _guarded(self, statement: Awaitable[_T]) -> _T:
        usage = current_usage.get()
        began = 0.0 if usage is None else perf_counter()
        try:
            return await statement
        except DRIVER_ERRORS as error:
            self._failure = translated_error(error)
            raise self._failure from error
        finally:
            if usage is not None:
                usage.busy_s += perf_counter() - began


def _plain(args: Sequence[object]) -> Sequence[object]:
    """The arguments as asyncpg wants them: flags are SMALLINT, and it takes no bool for that."""
    for arg in args:
        if arg is True or arg is False:
            return [int(arg) if isinstance(arg, bool) else arg for arg in args]
    return args


def _rows_changed(status: str) -> int:
    """The count at the end of a command's tag: `UPDATE 3`, `INSERT 0 1`; 0 where there is none."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0
