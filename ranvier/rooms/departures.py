"""Deactivated users leave every room, also if the server stops before they are through.

Spec: client-server API, "Account deactivation".
"""

import logging
from collections.abc import Awaitable, Callable

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.store import departing_users as store

logger = logging.getLogger(__name__)


class Departures:
    """`leave_all(user_id)` makes a user leave every room; doing it again does no harm."""

    def __init__(self, *, db: Database, leave_all: Callable[[str], Awaitable[None]]) -> None:
        self._db = db
        self._leave_all = leave_all

    async def begin(self, tx: Tx, user_id: str) -> None:
        """A step of the transaction that deactivates the user."""
        await store.insert(tx, user_id)

    async def call_off(self, tx: Tx, user_id: str) -> None:
        """A step of the transaction that reactivates the user."""
        await store.delete(tx, user_id)

    async def finish(self, user_id: str) -> None:
        """Leave every room, and note that it has been done."""
        await self._leave_all(user_id)
        async with self._db.write() as tx:
            await store.delete(tx, user_id)

    async def run(self) -> None:
        """Finish what an earlier run has begun. One statement where there is nothing to do."""
        for user_id in await store.everyone(self._db):
            try:
                await self.finish(user_id)
            except DatabaseError:
                logger.exception("%s could not leave all rooms; trying again at the next start", user_id)
