"""Rooms of which not every member is known yet: which they are, and who waits for them.

MSC3706, MSC3902. A room is partial from the commit of the join until the commit of the full state, or until the last
local user has left. Whoever needs all members asks `Room.partial` first.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ranvier.db.engine import Reader
from ranvier.store import partial_state as store
from ranvier.store.partial_state import PartialRow

NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(slots=True, kw_only=True, eq=False)
class PartialRoom:
    """What is known of a room that is not known whole."""

    room_nid: int
    room_id: str
    join_event_id: str
    joined_via: str
    """The resident server that has let us in."""
    servers: frozenset[str]
    """Those that it told to be in the room."""
    device_lists_pos: int
    """Changes of our users' device lists after this position may not have reached everybody in the room."""
    started_ts: int
    events: set[int] = field(default_factory=set)
    """Numbers of the events whose state is partial. Changed under the room's lock."""
    is_begun: bool = False
    """Whether some of the full state may have been told and stored already."""
    begun_with: set[str] | None = None
    """The ids of all events that were stored of the room with the join and since, but for those of the full state, if it is
    known that there are no others. Kept up by `rooms.outliers`."""
    full_state_no: int | None = None
    """The number of the full state before the join, once it is here."""
    members: int = 0
    """How many members that state has, as far as they have come."""
    fetched_bytes: int = 0
    """How much of the full state has come, if it is told as a whole."""
    expected_bytes: int = 0
    """How much there will be; 0: nobody has said so."""
    replayed: int = 0
    """How many events have been put into their full states."""
    corrected: bool = False
    """Set when it becomes full: whether more has changed than that further members are known."""
    tries: int = 0
    next_try_ms: int = 0
    last_error: str | None = None
    asked: list[str] = field(default_factory=list)
    """The servers that were asked for the full state, the last one last."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the room is full, or left."""

    def is_partial(self, event_nids: Iterable[int]) -> bool:
        """Whether the state of any of these events is partial."""
        return not self.events.isdisjoint(event_nids)


class PartialRooms:
    """Every partial room, in memory."""

    def __init__(self) -> None:
        self._by_nid: dict[int, PartialRoom] = {}
        self.full_since: dict[int, int] = {}
        """By room the stream position at which it became full, of those that have been partial."""
        self.corrected: set[int] = set()
        """Those of them of which more has changed then than that further members were known."""
        self.left: dict[int, frozenset[str]] = {}
        """Rooms that were left while they were partial, and the servers that were said to be in them: what we have of
        their state is not good enough to go on with."""
        self.on_begun: list[Callable[[PartialRoom], None]] = []
        """Told when a join with partial state is durable."""
        self.on_ended: list[Callable[[PartialRoom], None]] = []
        """Told when a room has become full (then it is in `full_since`), or has been left."""

    @classmethod
    async def load(cls, db: Reader) -> "PartialRooms":
        """What the database knows. At most five statements."""
        found = cls()
        rows = await store.every(db)
        servers = await store.servers(db)
        if rows:
            events = await store.events(db)
            for row in rows:
                partial = partial_room(row, servers.get(row.room_id, ()))
                partial.events = events.get(row.room_id, set())
                partial.is_begun = True
                found._by_nid[row.room_nid] = partial
        found.full_since = await store.completed(db)
        left = await store.rooms_with_events(db)
        found.left = {
            nid: frozenset(servers.get(room_id, ())) for nid, room_id in left.items() if nid not in found._by_nid
        }
        found.corrected = set(found.full_since)  # Which of them were is not written down.
        return found

    def of(self, room_nid: int) -> PartialRoom | None:
        """What is known of a room if it is partial."""
        return self._by_nid.get(room_nid)

    def told_servers(self, room_nid: int) -> frozenset[str]:
        """The servers that were said to be in a room when we joined it, as long as nothing better is known."""
        partial = self._by_nid.get(room_nid)
        return self.left.get(room_nid, NOBODY) if partial is None else partial.servers

    def rooms_told_of(self, server: str) -> set[int]:
        """The rooms that a server was said to be in when we joined them, as long as nothing better is known."""
        partial = {room_nid for room_nid, one in self._by_nid.items() if server in one.servers}
        return partial | {room_nid for room_nid, servers in self.left.items() if server in servers}

    def every(self) -> list[PartialRoom]:
        """All of them."""
        return list(self._by_nid.values())

    def begin(self, partial: PartialRoom) -> None:
        """The room is partial from now on."""
        self._by_nid[partial.room_nid] = partial
        self.full_since.pop(partial.room_nid, None)
        self.left.pop(partial.room_nid, None)
        self.corrected.discard(partial.room_nid)

    def take_back(self, partial: PartialRoom) -> None:
        """The join could not be stored."""
        if self._by_nid.get(partial.room_nid) is partial:
            del self._by_nid[partial.room_nid]

    def __len__(self) -> int:
        """How many rooms are partial."""
        return len(self._by_nid)

    def forget(self, room_nid: int) -> None:
        """A room has been deleted."""
        self.full_since.pop(room_nid, None)
        self.left.pop(room_nid, None)
        self.corrected.discard(room_nid)

    def end(self, partial: PartialRoom, *, full_since: int | None) -> None:
        """The room has become full at this position of the stream, or (`None`) been left; that is durable."""
        if self._by_nid.get(partial.room_nid) is not partial:
            return
        del self._by_nid[partial.room_nid]
        if full_since is None:
            self.left[partial.room_nid] = partial.servers
        else:
            self.full_since[partial.room_nid] = full_since
            if partial.corrected:
                self.corrected.add(partial.room_nid)
        partial.ended.set()
        for listener in self.on_ended:
            listener(partial)

    async def wait(self, room_nid: int, timeout_s: float) -> bool:
        """Wait until the room is not partial any more; whether that has come about."""
        partial = self.of(room_nid)
        if partial is None:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await partial.ended.wait()
        except TimeoutError:
            return self.of(room_nid) is None
        return True


def partial_room(row: PartialRow, servers: Iterable[str]) -> PartialRoom:
    """As the database has it."""
    return PartialRoom(
        room_nid=row.room_nid,
        room_id=row.room_id,
        join_event_id=row.join_event_id,
        joined_via=row.joined_via,
        servers=frozenset(servers),
        device_lists_pos=row.device_lists_pos,
        started_ts=row.started_ts,
        full_state_no=row.full_state_no,
        members=row.members,
        tries=row.tries,
        next_try_ms=row.next_try_ts,
        last_error=row.last_error,
    )
