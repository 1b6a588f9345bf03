"""An SQLite database that is read from its first row to its last, while nobody else has it open."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from ranvier.db.catalogue import Table
from ranvier.db.engine import DatabaseError, Row
from ranvier.db.sqlite_connection import translated_error

_BUSY_TIMEOUT_S: Final = 1.0
_AT_ONCE: Final = 1000


class InUse(DatabaseError):
    """Somebody else has the database open."""


@contextmanager
def alone_with(path: str) -> Iterator["SqliteSource"]:
    """The database, which nobody else can open until the end. Nothing in it is changed. Raises `DatabaseError`."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise InUse(f"{path} is in use") from error
            raise
        yield SqliteSource(connection)
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise translated_error(error) from error
    finally:
        connection.close()


class SqliteSource:
    """Its rows. Make one with `alone_with`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        """How many rows there are."""
        rows: int = self._connection.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()[0]
        return rows

    def rows_with_nul(self, table: Table, columns: Sequence[str]) -> Mapping[str, int]:
        """In how many rows such columns hold text with a NUL, which PostgreSQL does not take; those with none are left out."""
        if not columns:
            return {}
        sums = ", ".join(f"SUM(INSTR(CAST(\"{column}\" AS BLOB), x'00') > 0)" for column in columns)
        found = self._connection.execute(f'SELECT {sums} FROM "{table.name}"').fetchone()
        return {column: number for column, number in zip(columns, found, strict=True) if number}

    def rows(self, table: Table) -> Iterator[Row]:
        """Every row, its columns in the order of the table's; the rows in the order of the primary key."""
        columns, key = (", ".join(f'"{name}"' for name in names) for names in (table.columns, table.key))
        cursor = self._connection.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY {key}')
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows
