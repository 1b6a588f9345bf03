"""The writer of the stream of receipts: whatever waits is committed as one transaction, in order.

Rooms full of people who read send many receipts at once; together they cost one commit. What is announced has been
committed, and everything before it too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from ranvier.db.engine import Database, Tx
from ranvier.store import receipts as store
from ranvier.store.receipts import Receipt

logger = logging.getLogger(__name__)

Listener = Callable[[Sequence[Receipt]], None]
"""Called on the event loop after each commit, with what it added, in the order of the stream."""

Also = Callable[[Tx], Awaitable[None]]


@dataclass(slots=True)
class _Write:
    receipts: Sequence[Receipt]
    also: Also | None
    done: asyncio.Future[None]


class ReceiptWriter:
    """One a process."""

    def __init__(self, *, db: Database, last_pos: int) -> None:
        self._db = db
        self.committed_pos = last_pos
        """Everything up to here is durable and has been announced."""
        self.listeners: list[Listener] = []
        self._waiting: list[_Write] = []
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def load(cls, db: Database) -> "ReceiptWriter":
        """Go on after the last position. One statement."""
        return cls(db=db, last_pos=await store.greatest_pos(db))

    async def write(self, receipts: Sequence[Receipt], also: Also | None = None) -> None:
        """Store receipts, and what `also` adds to the transaction; returns when they are durable and announced.

        The order of calls is the order of the stream. Raises `DatabaseError`: then nothing was kept.
        """
        write = _Write(receipts, also, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(), name="receipts")
        await asyncio.shield(write.done)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                stored = await self._commit(batch)
            except BaseException as error:
                for write in batch:
                    write.done.set_exception(error if isinstance(error, Exception) else RuntimeError("interrupted"))
                    write.done.exception()  # Seen: the one who asked may have gone.
                if not isinstance(error, Exception):
                    self._writing = None
                    raise
                continue
            self._announce(stored)
            for write in batch:
                write.done.set_result(None)
        self._writing = None

    def _announce(self, stored: Sequence[Receipt]) -> None:
        for listener in self.listeners:
            try:
                listener(stored)
            except Exception:
                logger.exception("A listener of receipts has failed")

    async def _commit(self, batch: Sequence[_Write]) -> list[Receipt]:
        receipts = [receipt for write in batch for receipt in write.receipts]
        first = self.committed_pos + 1
        stored = [replace(receipt, stream_pos=first + index) for index, receipt in enumerate(receipts)]
        async with self._db.write() as tx:
            await store.save(tx, stored)
            for write in batch:
                if write.also is not None:
                    await write.also(tx)
        self.committed_pos += len(stored)
        return stored
