"""How far a port has come: a table in the database that is being filled, written in the transactions that fill it."""

from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Tx

MARKS: Final = "ranvier_port"
_SOURCE: Final = ""
"""The row that says where everything comes from."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What has been copied of a table."""

    rows: int
    digest: str


async def begin_marks(tx: Tx, source: str) -> None:
    """`source` is what identifies the database that is copied."""
    await tx.run(f"CREATE TABLE {MARKS} (name TEXT NOT NULL PRIMARY KEY, rows BIGINT NOT NULL, digest TEXT NOT NULL)")
    await tx.run(f"INSERT INTO {MARKS} (name, rows, digest) VALUES ($1, 0, $2)", _SOURCE, source)


async def source_of_marks(db: Reader) -> str:
    """What `begin_marks` was told."""
    source: str = await db.value(f"SELECT digest FROM {MARKS} WHERE name = $1", _SOURCE)
    return source


async def read_marks(db: Reader) -> dict[str, Mark]:
    """By table."""
    rows = await db.all(f"SELECT name, rows, digest FROM {MARKS} WHERE name <> $1", _SOURCE)
    return {row[0]: Mark(row[1], row[2]) for row in rows}


async def write_mark(tx: Tx, table: str, mark: Mark) -> None:
    """So much of the table is there once this is committed."""
    await tx.run(
        f"INSERT INTO {MARKS} (name, rows, digest) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, digest = excluded.digest",
        table,
        mark.rows,
        mark.digest,
    )


async def forget_mark(tx: Tx, table: str) -> None:
    """The table is to be copied anew."""
    await tx.run(f"DELETE FROM {MARKS} WHERE name = $1", table)


async def drop_marks(tx: Tx) -> None:
    """The port is finished."""
    await tx.run(f"DROP TABLE {MARKS}")
