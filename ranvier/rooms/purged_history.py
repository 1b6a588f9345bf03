"""What has been deleted of rooms does not come back: nothing of it is taken from other servers again.

What is so old is told by `origin_server_ts`. A sender may lie about it, but only about events of their own.
"""

from collections.abc import Mapping

from ranvier.db.engine import Database, Tx
from ranvier.proto.events import Event
from ranvier.rooms.lifetimes import Lifetimes
from ranvier.rooms.room import Room
from ranvier.store import purged_history as store
from ranvier.store.events import FIRST_POS

Limit = tuple[int, int]
"""The time and the position up to which something has been deleted."""

_NOTHING: Limit = (-(1 << 63), FIRST_POS)
"""No sender can claim an earlier time."""


class PurgedHistory:
    """How far the history of each room has been deleted, in memory."""

    def __init__(self, limits: Mapping[int, Limit] | None = None, lifetimes: Lifetimes | None = None) -> None:
        self._limits = dict(limits or {})
        self.lifetimes = lifetimes
        """How long messages live; `None`: for ever."""

    @classmethod
    async def load(cls, db: Database, *, lifetimes: Lifetimes | None) -> "PurgedHistory":
        """One statement."""
        return cls(await store.everything(db), lifetimes)

    def holds(self, room: Room, event: Event) -> bool:
        """Whether the event, which is not here, belongs to what has been deleted, or would be deleted at once."""
        if self.lifetimes is not None and self.lifetimes.is_over(room, event):
            return True
        return event.origin_server_ts <= self.upto_ts(room.room_nid)

    def upto_ts(self, room_nid: int) -> int:
        """What was sent up to this time may be gone."""
        return self._limits.get(room_nid, _NOTHING)[0]

    def upto_pos(self, room_nid: int) -> int:
        """Up to this position of the room something is gone."""
        return self._limits.get(room_nid, _NOTHING)[1]

    async def note(self, tx: Tx, room_nid: int, *, upto_ts: int, upto_pos: int) -> None:
        """What is not younger than this is being deleted. At most one statement; `noted` comes after the commit."""
        limit = self._moved(room_nid, upto_ts, upto_pos)
        if limit != self._limits.get(room_nid):
            await store.save(tx, room_nid, *limit)

    def noted(self, room_nid: int, *, upto_ts: int, upto_pos: int) -> None:
        """It has been deleted."""
        self._limits[room_nid] = self._moved(room_nid, upto_ts, upto_pos)

    def forget(self, room_nid: int) -> None:
        """The room is gone."""
        self._limits.pop(room_nid, None)

    def _moved(self, room_nid: int, upto_ts: int, upto_pos: int) -> Limit:
        ts, pos = self._limits.get(room_nid, _NOTHING)
        return max(ts, upto_ts), max(pos, upto_pos)
