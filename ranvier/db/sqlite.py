"""SQLite: reads inline on the event loop, one writer, commits in a thread and shared (group commit).

A `write()` block is a *unit*. Units run one after another on the write connection, in the order they asked. A commit
begins a turn of the loop after the last unit that had come, so that requests which arrived together share it; while it
waits for the disk in its thread, new units queue, and run in the next transaction together. Each unit but the first
stands in a savepoint, so that one which raises takes only itself back.
"""

import asyncio
import queue
import sqlite3
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from time import perf_counter
from types import TracebackType
from typing import Any, Final, TypeVar

from ranvier.db.engine import Counters, DatabaseError, Reader, Row, Tx
from ranvier.db.sqlite_connection import SqliteConnection, translated_error
from ranvier.usage import current_usage

_MAX_GROUP: Final = 64
"""Units in one commit at most; what grouping saves is saved long before, and the first should not wait for ever."""
_MANY: Final = 500
"""So many rows are written beside the event loop: it would stand still for some milliseconds."""
_READ_CACHE_KIB: Final = 32_768
_WRITE_CACHE_KIB: Final = 16_384
_SNAPSHOT_CACHE_KIB: Final = 4_096
_SNAPSHOTS_KEPT: Final = 4

_T = TypeVar("_T")


async def open_sqlite(path: str, *, in_thread: bool = True) -> "SqliteDatabase":
    """Open the file, made if it is not there. `:memory:` is a temporary file that goes with the database.

    Commits wait for the disk in a thread, or, for a loop that nothing outside of it may touch, in the loop and for
    nothing but the operating system (`in_thread` false).
    """
    return SqliteDatabase(path, asyncio.get_running_loop(), in_thread=in_thread)


class SqliteDatabase:
    """`Database` over one file. Belongs to one event loop."""

    dialect = "sqlite"

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop, *, in_thread: bool = True) -> None:
        self.counters = Counters()
        self._loop = loop
        self._temporary = tempfile.TemporaryDirectory(prefix="ranvier-") if path == ":memory:" else None
        self._path = path if self._temporary is None else f"{self._temporary.name}/homeserver.db"
        self._synchronous = "FULL" if self._temporary is None and in_thread else "OFF"
        self._writer = self._connect(_WRITE_CACHE_KIB)
        self._reader = self._connect(_READ_CACHE_KIB)
        self._snapshots: list[SqliteConnection] = []
        self._taken = False
        """Whether a unit runs or a commit is in flight: the write connection belongs to it."""
        self._queue: deque[asyncio.Future[None]] = deque()
        self._group: list[asyncio.Future[None]] = []
        """Units of the open transaction that ended well and wait for its commit."""
        self._is_commit_due = False
        """Whether the commit begins in the next turn of the loop, or when the unit ends that runs then."""
        self._commits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._closed = False
        self._thread: threading.Thread | None = None
        if in_thread:
            self._thread = threading.Thread(target=self._commit_loop, name="sqlite-commit", daemon=True)
            self._thread.start()

    async def all(self, sql: str, *args: object) -> list[Row]:
        return self._reader.all(sql, args)

    async def one(self, sql: str, *args: object) -> Row | None:
        return self._reader.one(sql, args)

    async def value(self, sql: str, *args: object) -> Any:
        return self._reader.value(sql, args)

    def write(self) -> AbstractAsyncContextManager[Tx]:
        return _Unit(self)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reader]:
        connection = self._snapshots.pop() if self._snapshots else self._connect(_SNAPSHOT_CACHE_KIB)
        self.counters.read_transactions += 1
        if (usage := current_usage.get()) is not None:
            usage.transactions += 1
        connection.control("BEGIN")
        try:
            yield _SnapshotReader(connection)
        finally:
            connection.control("ROLLBACK")
            if len(self._snapshots) < _SNAPSHOTS_KEPT and not self._closed:
                self._snapshots.append(connection)
            else:
                connection.raw.close()

    async def close(self) -> None:
        if self._closed:
            return
        await self.take_turn()
        while self._group:
            last = self._group[-1]
            self._pass_on()
            await asyncio.wait([last])
            await self.take_turn()
        self._closed = True
        self._pass_on()
        if self._thread is not None:
            self._commits.put(False)
            await self._loop.run_in_executor(None, self._thread.join)
        for connection in (self._writer, self._reader, *self._snapshots):
            connection.raw.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def take_turn(self) -> None:
        """Wait until the write connection is ours; whoever asked first has it first."""
        if self._taken or len(self._group) >= _MAX_GROUP:
            turn = self._loop.create_future()
            self._queue.append(turn)
            began = perf_counter()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
            if (usage := current_usage.get()) is not None:
                usage.waited_s += perf_counter() - began
        if self._closed:
            self._pass_on()
            raise DatabaseError("the database has been closed")
        self._taken = True

    def begin_unit(self) -> "SqliteTx":
        """Start a unit in the open transaction, or in a new one. The turn is given up if that fails."""
        try:
            self._writer.control("SAVEPOINT unit" if self._group else "BEGIN IMMEDIATE")
        except DatabaseError:
            self._pass_on()
            raise
        return SqliteTx(self._writer, uses_thread=self._thread is not None)

    def undo_unit(self) -> None:
        """Take back what the running unit did, and only that, then give up the turn."""
        try:
            if not self._writer.raw.in_transaction:
                raise DatabaseError("SQLite gave up the transaction")
            if self._group:
                self._writer.control("ROLLBACK TO unit")
                self._writer.control("RELEASE unit")
            else:
                self._writer.control("ROLLBACK")
        except DatabaseError as error:
            self._fail_group(error)
        self._pass_on()

    def end_unit(self) -> asyncio.Future[None]:
        """Keep what the running unit did; the future is done when it is durable."""
        durable = self._loop.create_future()
        try:
            if self._group:
                self._writer.control("RELEASE unit")
        except DatabaseError as error:
            self._fail_group(error)
            durable.set_exception(error)
        else:
            self._group.append(durable)
        self._pass_on()
        return durable

    def _pass_on(self) -> None:
        """Give the write connection to whoever waits, else to nobody until the commit."""
        if len(self._group) < _MAX_GROUP:
            while self._queue:
                turn = self._queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False
        if self._group and not self._is_commit_due:
            self._is_commit_due = True
            self._loop.call_soon(self._begin_commit)

    def _begin_commit(self) -> None:
        """Commit what there is, unless a unit runs: then what passes its turn on asks again."""
        self._is_commit_due = False
        if self._taken or not self._group:
            return
        self._taken = True
        if self._thread is not None:
            self._commits.put(True)
        else:
            self._committed(self._commit())

    def _committed(self, error: sqlite3.Error | None) -> None:
        """On the loop, after the commit thread: tell the units, go on."""
        if error is not None:
            self._fail_group(translated_error(error))
        else:
            self.counters.write_transactions += 1
            group, self._group = self._group, []
            for durable in group:
                if not durable.done():
                    durable.set_result(None)
        self._pass_on()

    def _fail_group(self, error: DatabaseError) -> None:
        group, self._group = self._group, []
        if self._writer.raw.in_transaction:
            with suppress(sqlite3.Error):
                self._writer.raw.execute("ROLLBACK")
        for durable in group:
            if not durable.done():
                failure = DatabaseError(str(error))
                failure.__cause__ = error
                durable.set_exception(failure)

    def _commit_loop(self) -> None:
        """The commit thread: the only work here is waiting for the disk."""
        while self._commits.get():
            error = self._commit()
            try:
                self._loop.call_soon_threadsafe(self._committed, error)
            except RuntimeError:  # the loop was closed without closing the database
                return

    def _commit(self) -> sqlite3.Error | None:
        try:
            self._writer.raw.execute("COMMIT")
        except sqlite3.Error as failure:
            return failure
        return None

    def _connect(self, cache_kib: int) -> SqliteConnection:
        return SqliteConnection(self._path, self.counters, synchronous=self._synchronous, cache_kib=cache_kib)


class _Unit(AbstractAsyncContextManager[Tx]):
    """One `write()` block."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db

    async def __aenter__(self) -> Tx:
        await self._db.take_turn()
        self._tx = self._db.begin_unit()
        return self._tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._tx.end()
        if error is not None:
            self._db.undo_unit()
        elif failure is not None:
            self._db.undo_unit()
            raise DatabaseError("the transaction had failed before") from failure
        else:
            began = perf_counter()
            await self._db.end_unit()
            if (usage := current_usage.get()) is not None:
                usage.transactions += 1
                usage.busy_s += perf_counter() - began


class SqliteTx:
    """The statements of one unit. After one has failed the others are refused, as PostgreSQL does."""

    __slots__ = ("_connection", "_over", "_uses_thread")

    def __init__(self, connection: SqliteConnection, *, uses_thread: bool) -> None:
        self._connection = connection
        self._uses_thread = uses_thread
        self._over = False
        connection.failure = None

    async def all(self, sql: str, *args: object) -> list[Row]:
        return self._usable().all(sql, args)

    async def one(self, sql: str, *args: object) -> Row | None:
        return self._usable().one(sql, args)

    async def value(self, sql: str, *args: object) -> Any:
        return self._usable().value(sql, args)

    async def run(self, sql: str, *args: object) -> int:
        return self._usable().run(sql, args)

    async def run_long(self, sql: str, *args: object) -> int:
        return await self._aside(self._usable().prepared(sql, args))

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        connection = self._usable()
        if len(rows) < _MANY:
            connection.many(sql, rows)
        else:
            await self._aside(lambda: connection.many(sql, rows))

    async def _aside(self, execute: Callable[[], _T]) -> _T:
        """Do this in a thread: the connection is ours, and SQLite lets go of the interpreter."""
        if not self._uses_thread:
            return execute()
        running = asyncio.ensure_future(asyncio.to_thread(execute))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # Whoever takes the transaction back has to have the connection for himself.
            await asyncio.wait([running])
            raise

    def end(self) -> DatabaseError | None:
        """The block has been left: further use is a mistake. Returns why the transaction has failed, if it has."""
        self._over = True
        return self._connection.failure

    def _usable(self) -> SqliteConnection:
        if self._over:
            raise DatabaseError("the transaction is over")
        if self._connection.failure is not None:
            raise DatabaseError("a statement of this transaction has failed before") from self._connection.failure
        return self._connection


class _SnapshotReader:
    """A `Reader` on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    async def all(self, sql: str, *args: object) -> list[Row]:
        return self._connection.all(sql, args)

    async def one(self, sql: str, *args: object) -> Row | None:
        return self._connection.one(sql, args)

    async def value(self, sql: str, *args: object) -> Any:
        return self._connection.value(sql, args)
