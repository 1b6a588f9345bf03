"""What has been deleted of rooms does not come back: nothing of it is taken from other servers again.

What is so old is told by `origin_server_ts`. A sender may lie about it, but only about events of their own.
"""

from collections.abc import Mapping

from ranvier.db.engine import Database, Tx
from ranvier.proto.events import Event
from ranvier.store import purged_history as store


class PurgedHistory:
    """Up to which time the history of each room has been deleted, in memory."""

    def __init__(self, times: Mapping[int, int] | None = None) -> None:
        self._times = dict(times or {})

    @classmethod
    async def load(cls, db: Database) -> "PurgedHistory":
        """One statement."""
        return cls(await store.times(db))

    def holds(self, room_nid: int, event: Event) -> bool:
        """Whether the event, which is not here, belongs to what has been deleted."""
        upto_ts = self._times.get(room_nid)
        return upto_ts is not None and event.origin_server_ts <= upto_ts

    async def note(self, tx: Tx, room_nid: int, upto_ts: int) -> None:
        """What is not younger than this is being deleted. At most one statement; `noted` comes after the commit."""
        if upto_ts > self._times.get(room_nid, -1):
            await store.save(tx, room_nid, upto_ts)

    def noted(self, room_nid: int, upto_ts: int) -> None:
        """It has been deleted."""
        self._times[room_nid] = max(upto_ts, self._times.get(room_nid, -1))

    def forget(self, room_nid: int) -> None:
        """The room is gone."""
        self._times.pop(room_nid, None)
