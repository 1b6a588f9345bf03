"""A copy of an SQLite database that others are writing to, as it was at one moment."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from ranvier.db.engine import DatabaseError

_PAGES_AT_ONCE: Final = 4096
_BUSY_TIMEOUT_S: Final = 30.0


def copy_online(source: str, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy into a new file; `progress` is told pages done and pages in all. Raises `DatabaseError`.

    A read transaction is held for as long as it takes: writers go on, and the copy sees none of what they do.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists")
    try:
        with closing(sqlite3.connect(source, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(target)) as writing:
                target.chmod(0o600)
                reading.backup(
                    writing,
                    pages=_PAGES_AT_ONCE,
                    progress=lambda _status, remaining, total: progress(total - remaining, total),
                )
            reading.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise DatabaseError(f"SQLite: {error}") from error


def find_damage(path: str) -> list[str]:
    """What is wrong with the structure of a database file; nothing, if it is well. Raises `DatabaseError`."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(10)")]
    except sqlite3.Error as error:
        raise DatabaseError(f"SQLite: {error}") from error
    return [] if found == ["ok"] else found
