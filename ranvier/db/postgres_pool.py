"""A few connections to PostgreSQL, held open and lent to one user at a time.

asyncpg's own pool resets a connection at every release, which costs more than the statements; here a connection is
taken back as it is, and whoever opens a transaction on it ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

from ranvier.db.engine import DatabaseError
from ranvier.db.postgres_errors import DRIVER_ERRORS, translated_error

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A string, because the driver's class takes parameters only in its type stubs."""
Connect = Callable[[], Awaitable[Connection]]


class PostgresPool:
    """At most `pool_max` connections. One that has died is replaced when it would have been lent."""

    def __init__(self, connect: Connect, *, pool_min: int, pool_max: int, uses_limit: int) -> None:
        self._connect = connect
        self._pool_min = max(min(pool_min, pool_max), 1)
        self._slots = asyncio.Semaphore(max(pool_max, 1))
        self._uses_limit = uses_limit
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._uses: dict[Connection, int] = {}
        self._closed = False

    async def fill(self) -> None:
        """Open the first connections (at least one, so that a wrong configuration shows at the start)."""
        first = [await self.take() for _ in range(self._pool_min)]
        for connection in first:
            self.give_back(connection)

    async def take(self) -> Connection:
        """A connection for the caller alone; who asked first is served first. Raises `DatabaseError`."""
        await self._slots.acquire()
        try:
            connection = self._living() or await self._open()
        except BaseException:
            self._slots.release()
            raise
        self._lent.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """The caller is done with it and has left no transaction open."""
        uses = self._uses.get(connection, 0) + 1
        if connection.is_closed() or self._closed or 0 < self._uses_limit <= uses:
            self.discard(connection)
            return
        if self._uses_limit:
            self._uses[connection] = uses
        self._lent.discard(connection)
        self._idle.append(connection)
        self._slots.release()

    def discard(self, connection: Connection) -> None:
        """Drop a lent connection that is in an unknown condition."""
        if not connection.is_closed():
            connection.terminate()
        self._lent.discard(connection)
        self._uses.pop(connection, None)
        self._slots.release()

    async def close(self) -> None:
        """Close the idle connections now, lent ones when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=5)
            except DRIVER_ERRORS:
                connection.terminate()

    def _living(self) -> "Connection | None":
        if self._closed:
            raise DatabaseError("the database has been closed")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._uses.pop(connection, None)
        return None

    async def _open(self) -> Connection:
        try:
            return await self._connect()
        except DRIVER_ERRORS as error:
            raise translated_error(error) from error
