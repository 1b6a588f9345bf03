"""How far each server has got what is sent to it, on disk.

Nothing is written when an event is sent. One position says up to where everything has been delivered to everyone; only for
servers that lag behind there is a position of their own. What came after is found in the rooms' timelines after a restart.
"""

from collections.abc import Iterable, Sequence

from ranvier.db.engine import Database
from ranvier.federation.destination_queue import DestinationQueue
from ranvier.federation.outbox import DurableEdus
from ranvier.store import destinations as store

_Row = tuple[str, int | None, int | None]


class Progress:
    """What is on disk, and what has to get there."""

    def __init__(self, *, db: Database, sources: Sequence[DurableEdus]) -> None:
        self._db = db
        self._sources = sources
        self._saved: dict[str, tuple[int | None, int | None]] = {}
        self.sent_pos = 0
        """As it is on disk."""

    async def load(self, committed_pos: int) -> dict[str, int]:
        """The positions of those that lag behind. Two statements, and a transaction the first time."""
        sent_pos = await store.sent_pos(self._db)
        if sent_pos is None:
            sent_pos = committed_pos  # What came before federation did concerned nobody else.
            async with self._db.write() as tx:
                await store.save_sent_pos(tx, sent_pos)
        self.sent_pos = sent_pos
        behind = await store.behind(self._db)
        self._saved = {row.destination: (row.last_successful_pos, row.acked_pos) for row in behind}
        return {row.destination: row.acked_pos for row in behind if row.acked_pos is not None}

    async def flush(self, queues: Iterable[DestinationQueue], sent_pos: int, changed: set[str]) -> None:
        """Write down how far those that have `changed` are, and that all others have got everything up to `sent_pos`.

        One transaction with at most a statement a table. Raises `DatabaseError`.
        """
        rows = [row for queue in queues if queue.destination in changed for row in self._row(queue)]
        async with self._db.write() as tx:
            if sent_pos != self.sent_pos:
                await store.save_sent_pos(tx, sent_pos)
            await store.save_progress(tx, rows)
            committed = [await source.save(tx) for source in self._sources]
        self.sent_pos = sent_pos
        for destination, last_successful_pos, acked_pos in rows:
            self._saved[destination] = (last_successful_pos, acked_pos)
        for tell in committed:
            tell()

    def forget(self, destination: str) -> None:
        """Nothing waits for this server any more."""
        self._saved.pop(destination, None)

    def _row(self, queue: DestinationQueue) -> list[_Row]:
        first = queue.first_missing()
        state = (queue.last_successful_pos, None if first is None else first - 1)
        return [] if self._saved.get(queue.destination, (None, None)) == state else [(queue.destination, *state)]
