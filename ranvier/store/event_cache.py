"""Recently used events in memory, shared by every reader.

Bounded by count. An event that is still referenced elsewhere (a room's state, say) is the same object here, so that a
redaction is seen by all at once.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

from ranvier.db.engine import Database, Row
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.store import events
from ranvier.store.events import StoredEvent
from ranvier.usage import current_usage


class EventCache:
    """Events by number and by id; `size` is how many are kept."""

    def __init__(self, *, db: Database, size: int) -> None:
        self._db = db
        self._size = size
        # To find the first of a plain dict takes ever longer when those before it have been removed.
        self._by_nid: OrderedDict[int, StoredEvent] = OrderedDict()
        self._nids: dict[str, int] = {}
        self._versions: dict[int, RoomVersion] = {}

    def __len__(self) -> int:
        """How many events are in memory."""
        return len(self._by_nid)

    def know_room(self, room_nid: int, version: RoomVersion) -> None:
        """Tell the version of a room, which its rows do not repeat."""
        self._versions[room_nid] = version

    def add(self, stored: StoredEvent) -> None:
        """Keep an event that has just been committed or loaded."""
        cache = self._by_nid
        if len(cache) >= self._size:
            self.drop(next(iter(cache)))
        cache[stored.event_nid] = stored
        self._nids[stored.event.event_id] = stored.event_nid

    def drop(self, event_nid: int) -> None:
        """Forget one event."""
        stored = self._by_nid.pop(event_nid, None)
        if stored is not None and self._nids.get(stored.event.event_id) == event_nid:
            del self._nids[stored.event.event_id]

    def resize(self, size: int) -> None:
        """Keep that many from now on."""
        self._size = size
        while len(self._by_nid) > size:
            self.drop(next(iter(self._by_nid)))

    def drop_room(self, room_nid: int) -> None:
        """Forget every event of a room, which has been deleted."""
        for nid in [stored.event_nid for stored in self._by_nid.values() if stored.room_nid == room_nid]:
            self.drop(nid)
        self._versions.pop(room_nid, None)

    def clear(self) -> None:
        """Forget every event."""
        self._by_nid.clear()
        self._nids.clear()

    def peek(self, event_nid: int) -> StoredEvent | None:
        """The event if it is in memory."""
        return self._by_nid.get(event_nid)

    async def get(self, event_nids: Collection[int]) -> dict[int, StoredEvent]:
        """Events by number; unknown ones are missing. At most one statement (and one for unknown room versions)."""
        found, missing = {}, []
        for nid in event_nids:
            stored = self._by_nid.get(nid)
            if stored is None:
                missing.append(nid)
            else:
                found[nid] = stored
        if missing:
            for stored in await self.from_rows(await events.rows_by_nid(self._db, missing)):
                found[stored.event_nid] = stored
        return found

    async def by_id(self, event_ids: Collection[str]) -> dict[str, StoredEvent]:
        """Events by id; unknown ones are missing. At most one statement (and one for unknown room versions)."""
        found, missing = {}, []
        for event_id in event_ids:
            nid = self._nids.get(event_id)
            if nid is None:
                if "\0" not in event_id:  # No event has such an id, and PostgreSQL cannot be asked for it.
                    missing.append(event_id)
            else:
                found[event_id] = self._by_nid[nid]
        if missing:
            for stored in await self.from_rows(await events.rows_by_id(self._db, missing)):
                found[stored.event.event_id] = stored
        return found

    async def from_rows(self, rows: Sequence[Row]) -> list[StoredEvent]:
        """Rows of `events.COLUMNS` as events, in the same order; those in memory already stay the same objects."""
        await self._know_versions(row[1] for row in rows)
        result = []
        usage = current_usage.get()
        for row in rows:
            stored = self._by_nid.get(row[0])
            if stored is None:
                if usage is not None:
                    usage.events += 1
                stored = events.stored_event(row, self._versions[row[1]])
                self.add(stored)
            result.append(stored)
        return result

    async def _know_versions(self, room_nids: Iterable[int]) -> None:
        unknown = {nid for nid in room_nids if nid not in self._versions}
        if unknown:
            rows = await self._db.all(
                "SELECT room_nid, room_version FROM rooms WHERE room_nid = ANY($1)", list(unknown)
            )
            for room_nid, version in rows:
                self._versions[room_nid] = ROOM_VERSIONS[version]
