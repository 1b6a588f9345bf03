"""The newest events of active rooms in memory, so that who follows a room needs no database.

Filled by what is committed; bounded by rooms and by events a room.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from ranvier.store.events import FIRST_POS, StoredEvent

ROOMS: Final = 4096
EVENTS: Final = 64


class _Room:
    __slots__ = ("complete_after", "events")

    def __init__(self, complete_after: int) -> None:
        self.complete_after = complete_after
        self.events: deque[StoredEvent] = deque()


class RecentEvents:
    """Per room: every event after some position."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[int, _Room] = OrderedDict()

    def add(self, room_nid: int, events: Iterable[StoredEvent]) -> None:
        """These have been committed, in this order."""
        room = self._rooms.get(room_nid)
        for stored in events:
            pos = stored.pos or 0
            if room is None:
                room = self._open(room_nid, FIRST_POS if stored.event.type == "m.room.create" else pos - 1)
            room.events.append(stored)
            if len(room.events) > EVENTS:
                room.complete_after = room.events.popleft().pos or 0
        if room is not None:
            self._rooms.move_to_end(room_nid)

    def begin(self, room_nid: int, events: Sequence[StoredEvent], complete_after: int) -> None:
        """These are all events of the room after a position, as far as there are any yet. Known rooms stay as they are."""
        if room_nid not in self._rooms:
            excess = len(events) - EVENTS
            if excess > 0:
                complete_after = events[excess - 1].pos or 0
            self._open(room_nid, complete_after).events.extend(events[max(excess, 0) :])

    def last(self, room_nid: int, upto: int, number: int) -> list[StoredEvent] | None:
        """The last events with `pos <= upto`, oldest first; `None` if memory does not hold so many."""
        room = self._rooms.get(room_nid)
        if room is None or len(room.events) < number:
            return None
        found = [stored for stored in room.events if (stored.pos or 0) <= upto]
        return found[-number:] if len(found) >= number else None

    def between(self, room_nid: int, after: int, upto: int) -> list[StoredEvent] | None:
        """Every event with `after < pos <= upto`, oldest first; `None` if memory does not reach back that far."""
        room = self._rooms.get(room_nid)
        if room is None or room.complete_after > after:
            return None
        found = []
        for stored in reversed(room.events):
            pos = stored.pos or 0
            if pos <= after:
                break
            if pos <= upto:
                found.append(stored)
        found.reverse()
        return found

    def _open(self, room_nid: int, complete_after: int) -> _Room:
        room = self._rooms[room_nid] = _Room(complete_after)
        if len(self._rooms) > ROOMS:
            self._rooms.popitem(last=False)
        return room

    def replace(self, room_nid: int, stored: StoredEvent) -> None:
        """The event is this from now on: it has been redacted."""
        room = self._rooms.get(room_nid)
        if room is not None:
            for at, known in enumerate(room.events):
                if known.event_nid == stored.event_nid:
                    room.events[at] = stored

    def forget(self, room_nid: int, upto_pos: int | None = None) -> None:
        """The room has been purged, or something of it up to here."""
        room = self._rooms.get(room_nid)
        if room is not None and (upto_pos is None or room.complete_after < upto_pos):
            del self._rooms[room_nid]
