"""The database as everything above sees it: one small interface, two engines.

SQL is written once, with `$1` parameters, in the dialect both engines share (`ON CONFLICT`, `RETURNING`, recursive CTEs).
`= ANY($1)` and `<> ALL($1)` with a list of integers or strings work on both. Flags are SMALLINT 0/1, timestamps BIGINT
milliseconds. Rows are tuples. Only `ranvier.store` contains SQL. Text from outside that may hold NUL is stored as bytes
(PostgreSQL's TEXT refuses it).
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Row = Sequence[Any]


@dataclass(slots=True)
class Counters:
    """What a database has been asked to do since it was opened; budgets are tests on differences of these."""

    statements: int = 0
    """Statements, reads and writes; a batch of rows given to `Tx.many` is one; BEGIN and COMMIT are none."""
    write_transactions: int = 0
    """Committed write transactions (a group commit is one)."""
    read_transactions: int = 0
    """Explicit read transactions (`Database.snapshot`)."""


class Reader(Protocol):
    """Something that answers queries."""

    async def all(self, sql: str, *args: object) -> list[Row]:
        """Every row."""
        ...

    async def one(self, sql: str, *args: object) -> Row | None:
        """The first row, or None."""
        ...

    async def value(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        ...


class Tx(Reader, Protocol):
    """A write transaction; reads in it see its own writes.

    Inside, await nothing but this object: on SQLite there is one writer, and it is you. When a statement has failed the
    transaction has failed: it refuses further statements, and cannot be committed.
    """

    async def run(self, sql: str, *args: object) -> int:
        """Execute one statement; the number of rows it changed."""
        ...

    async def run_long(self, sql: str, *args: object) -> int:
        """As `run`, for a statement about very many rows: others than writers may go on meanwhile."""
        ...

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        """Execute one statement for each row, as one batch. No rows: nothing is executed."""
        ...


class Database(Reader, Protocol):
    """An open database. Reading through it directly is autocommit: each statement sees the newest commit."""

    dialect: str
    """`sqlite` or `postgres`."""
    counters: Counters

    def write(self) -> AbstractAsyncContextManager[Tx]:
        """`async with db.write() as tx:` commits at the end and rolls back on an exception.

        When the block has been left normally the work is durable: on SQLite concurrent writers share one commit (group
        commit), and each returns only after it. Raises `DatabaseError` if the commit fails (disk full, connection lost);
        then nothing of the block was kept.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Reader]:
        """A read transaction: several statements that see one state of the database."""
        ...

    async def close(self) -> None:
        """Finish what is being committed and close."""
        ...


class DatabaseError(Exception):
    """The database could not do it: nothing was kept. The cause is chained and never shown to clients."""


class UniqueViolation(DatabaseError):
    """A unique or primary key would have been duplicated."""


class UnstorableValue(DatabaseError):
    """An argument that no column can hold: text with a NUL (PostgreSQL only) or a lone surrogate, an integer beyond 64
    bits. The caller passed on input that it did not check; the database is well.
    """
