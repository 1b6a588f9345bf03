"""What has been deleted of rooms does not come back: nothing of it is taken from other servers again.

What is so old is told by `origin_server_ts`. A sender may lie about it, but only about events of their own.
"""

from collections.abc import Mapping

from ranvier.db.engine import Database, Tx
from ranvier.proto.events import Event
from ranvier.rooms.lifetimes import Lifetimes
from ranvier.rooms.room import Room
from ranvier.store import purged_history as store


class PurgedHistory:
    """Up to which time the history of each room has been deleted, in memory."""

    def __init__(self, times: Mapping[int, int] | None = None, lifetimes: Lifetimes | None = None) -> None:
        self._times = dict(times or {})
        self._lifetimes = lifetimes

    @classmethod
    async def load(cls, db: Database, *, lifetimes: Lifetimes | None) -> "PurgedHistory":
        """One statement."""
        return cls(await store.times(db), lifetimes)

    def holds(self, room: Room, event: Event) -> bool:
        """Whether the event, which is not here, belongs to what has been deleted, or would be deleted at once."""
        if self._lifetimes is not None and self._lifetimes.is_over(room, event):
            return True
        upto_ts = self._times.get(room.room_nid)
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
