"""Rooms that an administrator has blocked: nobody of this server can join them, knock, or be invited.

Manual: admin API, "Block Room API". There are few, so all are in memory.
"""

from ranvier.db.engine import Database
from ranvier.proto.errors import forbidden
from ranvier.store import blocked_rooms as store


class BlockedRooms:
    """Belongs to the process that answers administrators."""

    def __init__(self, *, db: Database, blocked: dict[str, str]) -> None:
        self._db = db
        self._blocked = blocked
        self._closed: set[str] = set()

    @classmethod
    async def load(cls, db: Database) -> "BlockedRooms":
        """As the database says. One statement."""
        return cls(db=db, blocked=await store.all_blocked(db))

    def check(self, room_id: str) -> None:
        """Raises 403 `M_FORBIDDEN` for a room that nobody can enter."""
        if room_id in self._blocked or room_id in self._closed:
            raise forbidden("This room has been blocked on this server")

    def close(self, room_id: str) -> None:
        """Let nobody enter until `reopen`: the room is being deleted."""
        self._closed.add(room_id)

    def reopen(self, room_id: str) -> None:
        """The opposite of `close`."""
        self._closed.discard(room_id)

    def by(self, room_id: str) -> str | None:
        """Who blocked a room; `None` if it is not blocked."""
        return self._blocked.get(room_id)

    async def block(self, room_id: str, user_id: str) -> None:
        """Let nobody enter. One transaction."""
        async with self._db.write() as tx:
            await store.block(tx, room_id, user_id)
        self._blocked.setdefault(room_id, user_id)

    async def unblock(self, room_id: str) -> None:
        """The opposite. One transaction."""
        async with self._db.write() as tx:
            await store.unblock(tx, room_id)
        self._blocked.pop(room_id, None)
