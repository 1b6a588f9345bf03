"""One SQLite connection: translated statements, counted, without a driver exception escaping.

Everything here runs inline and never suspends: a point read costs 5 us, a hop to a thread and back 24.
"""

import sqlite3
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

import msgspec

from ranvier.db.dialect import SqliteStatement, to_sqlite
from ranvier.db.engine import Counters, DatabaseError, Row, UniqueViolation, UnstorableValue
from ranvier.usage import Usage, current_usage

_UNIQUE: Final = frozenset(
    (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID)
)
# What the driver and the encoder of lists raise; the last two for values that no column can hold.
_DRIVER_ERRORS: Final = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError, msgspec.MsgspecError)
_BUSY_TIMEOUT_S: Final = 5.0
_MAX_TRANSLATIONS: Final = 4096
_CHECKPOINT_PAGES: Final = 4000
"""Pages that change again and again are written back once; the index of so long a journal is still one table."""


class SqliteConnection:
    """A connection in autocommit mode; transactions are opened by whoever holds it."""

    def __init__(self, path: str, counters: Counters, *, synchronous: str, cache_kib: int) -> None:
        self._counters = counters
        self._translations: dict[str, SqliteStatement] = {}
        self.failure: DatabaseError | None = None
        """What the last failed statement raised; for the transaction that it belonged to."""
        try:
            self.raw = sqlite3.connect(
                path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,  # commits run in a thread; never two uses at once
                cached_statements=1024,
            )
            self.raw.execute("PRAGMA journal_mode = WAL")
            self.raw.execute(f"PRAGMA synchronous = {synchronous}")
            self.raw.execute("PRAGMA foreign_keys = OFF")
            self.raw.execute("PRAGMA temp_store = MEMORY")
            self.raw.execute("PRAGMA journal_size_limit = 67108864")
            self.raw.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self.raw.execute(
                "PRAGMA secure_delete = FAST"
            )  # Where it is built to, SQLite writes zeros over all it deletes.
            self.raw.execute(f"PRAGMA cache_size = -{cache_kib}")
        except sqlite3.Error as error:
            raise DatabaseError(f"cannot open {path}: {error}") from error

    def all(self, sql: str, args: Sequence[object]) -> list[Row]:
        """Every row."""
        statement = self._translated(sql)
        usage = current_usage.get()
        began = 0.0 if usage is None else perf_counter()
        try:
            return self.raw.execute(statement.sql, statement.bind(args)).fetchall()
        except _DRIVER_ERRORS as error:
            raise self._failed(error) from error
        finally:
            if usage is not None:
                self._add(usage, began)

    def one(self, sql: str, args: Sequence[object]) -> Row | None:
        """The first row. The rest is abandoned, so that no open cursor keeps an old snapshot."""
        statement = self._translated(sql)
        usage = current_usage.get()
        began = 0.0 if usage is None else perf_counter()
        try:
            cursor = self.raw.execute(statement.sql, statement.bind(args))
            row: Row | None = cursor.fetchone()
            cursor.close()
            return row
        except _DRIVER_ERRORS as error:
            raise self._failed(error) from error
        finally:
            if usage is not None:
                self._add(usage, began)

    def value(self, sql: str, args: Sequence[object]) -> Any:
        """The first column of the first row."""
        row = self.one(sql, args)
        return None if row is None else row[0]

    def run(self, sql: str, args: Sequence[object]) -> int:
        """The number of rows changed."""
        return self.prepared(sql, args)()

    def prepared(self, sql: str, args: Sequence[object]) -> Callable[[], int]:
        """What does the same when it is called, be it in another thread, as long as nobody else uses the connection."""
        statement = self._translated(sql)

        usage = current_usage.get()

        def execute() -> int:
            began = 0.0 if usage is None else perf_counter()
            try:
                cursor = self.raw.execute(statement.sql, statement.bind(args))
                changed = cursor.rowcount
                cursor.close()
                return max(changed, 0)
            except _DRIVER_ERRORS as error:
                raise self._failed(error) from error
            finally:
                if usage is not None:
                    self._add(usage, began)

        return execute

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """One statement for each row."""
        if not rows:
            return
        statement = self._translated(sql)
        usage = current_usage.get()
        began = 0.0 if usage is None else perf_counter()
        try:
            self.raw.executemany(statement.sql, map(statement.bind, rows) if statement.lists else rows)
        except _DRIVER_ERRORS as error:
            raise self._failed(error) from error
        finally:
            if usage is not None:
                self._add(usage, began)

    def control(self, sql: str) -> None:
        """A statement about transactions: neither translated nor counted."""
        try:
            self.raw.execute(sql)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _add(self, usage: Usage, began: float) -> None:
        """A statement has run for a request."""
        usage.busy_s += perf_counter() - began
        if not self.raw.in_transaction:
            usage.transactions += 1

    def _failed(self, error: BaseException) -> DatabaseError:
        self.failure = translated_error(error)
        return self.failure

    def _translated(self, sql: str) -> SqliteStatement:
        self._counters.statements += 1
        statement = self._translations.get(sql)
        if statement is None:
            if len(self._translations) >= _MAX_TRANSLATIONS:
                self._translations.clear()
            statement = self._translations[sql] = to_sqlite(sql)
        return statement


def translated_error(error: BaseException) -> DatabaseError:
    """The driver's exception as one of ours."""
    if isinstance(error, (OverflowError, UnicodeError, msgspec.MsgspecError)):
        return UnstorableValue(f"a value cannot be stored: {type(error).__name__}")
    if getattr(error, "sqlite_errorcode", None) in _UNIQUE:
        return UniqueViolation(str(error))
    return DatabaseError(f"SQLite: {error}")
