"""Whole tables out of PostgreSQL and into it, by COPY, on a connection of their own."""

import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from ranvier.config.sections import DatabaseConfig
from ranvier.db.catalogue import Table, tables
from ranvier.db.engine import Counters, DatabaseError, Row, Tx
from ranvier.db.postgres import PostgresTx
from ranvier.db.postgres_errors import DRIVER_ERRORS, translated_error
from ranvier.db.postgres_pool import Connection
from ranvier.db.postgres_settings import connect_arguments

_CHUNK_BYTES: Final = 1 << 18


@asynccontextmanager
async def copying(config: DatabaseConfig, *, read_only: bool) -> AsyncIterator["PostgresCopy"]:
    """A transaction: of one moment if it only reads, committed at the end if it does not. Raises `DatabaseError`."""
    async with connected(config) as connection, connection.transaction(read_only=read_only) as copy:
        yield copy


@asynccontextmanager
async def connected(config: DatabaseConfig) -> AsyncIterator["PostgresConnection"]:
    """A connection for several transactions, one after another. Raises `DatabaseError`."""
    try:
        connection: Connection = await asyncpg.connect(**connect_arguments(config.args))
    except DRIVER_ERRORS as error:
        raise translated_error(error) from error
    try:
        yield PostgresConnection(connection)
    except DRIVER_ERRORS as error:
        raise translated_error(error) from error
    finally:
        connection.terminate()


class PostgresConnection:
    """Make one with `connected`. After an exception it is of no use any more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self, *, read_only: bool) -> AsyncIterator["PostgresCopy"]:
        """As `copying`."""
        begin = "ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else ""
        await self._connection.execute(f"BEGIN {begin}")
        yield PostgresCopy(self._connection)
        await self._connection.execute("COMMIT")

    async def lock(self, number: int, *, timeout_s: int) -> None:
        """Hold an advisory lock for as long as the connection lives. Raises `DatabaseError` if somebody else keeps it."""
        await self._connection.execute(f"SET lock_timeout = '{timeout_s}s'")
        try:
            await self._connection.execute("SELECT pg_advisory_lock($1)", number)
        except asyncpg.LockNotAvailableError as error:
            raise DatabaseError("somebody else is filling this database") from error
        await self._connection.execute("SET lock_timeout = 0")

    async def analyze(self) -> None:
        """Let the database look at what it holds, so that it knows how to look for it."""
        await self._connection.execute("ANALYZE")


class PostgresCopy:
    """Statements and COPY in one transaction. Make one with `copying`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.tx: Tx = PostgresTx(connection, Counters())

    async def write_out(self, table: Table, path: Path) -> None:
        """The rows of a table into a new file, compressed."""
        with gzip.open(path, "xb", compresslevel=1) as file:

            async def write(chunk: bytes) -> None:
                file.write(chunk)

            await self._connection.copy_from_table(table.name, output=write, columns=table.columns, format="binary")

    async def read_in(self, table: str, columns: Sequence[str], path: Path) -> int:
        """The rows of such a file into a table; how many there were."""
        status = await self._connection.copy_to_table(table, source=_chunks(path), columns=columns, format="binary")
        return int(status.rpartition(" ")[2])

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows in the order of the table's columns."""
        await self._connection.copy_records_to_table(table.name, records=rows, columns=table.columns)

    async def column_types(self, table: str) -> dict[str, str]:
        """`int8`, `text`, `bytea`, ... by column."""
        rows = await self.tx.all(
            "SELECT a.attname::text, t.typname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped",
            table,
        )
        return {row[0]: row[1] for row in rows}

    async def set_sequences(self) -> None:
        """Let generated numbers go on after the greatest that is there."""
        rows = await self.tx.all(
            "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attidentity <> ''"
        )
        for table, column in rows:
            await self.tx.value(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"
                f" COALESCE((SELECT MAX({column}) FROM {table}), 0) + 1, false)"
            )

    async def drop_everything(self) -> None:
        """Every table and view of the schema."""
        for table in await tables(self.tx, "postgres"):
            await self._connection.execute(f'DROP TABLE "{table.name}" CASCADE')

    async def rows(self, sql: str) -> AsyncIterator[Sequence[Any]]:
        """The rows of a query, without holding them all."""
        async for record in self._connection.cursor(sql, prefetch=2000):
            yield tuple(record)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with gzip.open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


async def existing_tables(config: DatabaseConfig) -> list[str]:
    """The names of the tables that are there."""
    async with copying(config, read_only=True) as copy:
        return [table.name for table in await tables(copy.tx, "postgres")]
