"""What the default push rules order for the newest events of active rooms, worked out once an event instead of once a user.

Nearly everybody has the default rules, and nearly every event means the same to all of them: so who is far behind counts a
thousand messages in a fraction of a millisecond, without a look at the database. Filled by what is committed; bounded by
rooms and by events a room, at about twenty bytes an event.
"""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from ranvier.proto.push_evaluate import Actions
from ranvier.proto.relations import relation_of
from ranvier.rooms.append import Append
from ranvier.rooms.notifying import Notifying
from ranvier.rooms.room import Room
from ranvier.store.events import FIRST_POS, StoredEvent

ROOMS: Final = 1024
EVENTS: Final = 1000
"""Who is further behind sees this many at most. At least so many of a room are kept, and at most twice as many."""

NOTIFIES: Final = 1
HIGHLIGHTS: Final = 2
LOOK: Final = 4
"""What it means depends on who reads it, or it redacts: the event itself has to be looked at."""
RELATED: Final = 8
"""It may be in a thread."""
MEMBER: Final = 16
"""A membership; those say nothing about what their sender has read."""

_BITS: Final = 5

Outcome = tuple[int, int, int, int]
"""Position, number of the event, number of the sender in the room, and bits."""


class RoomOutcomes:
    """One room's, in the order of the timeline: every event after some position."""

    __slots__ = ("_marks", "_nids", "_positions", "_senders", "complete_after")

    def __init__(self, complete_after: int) -> None:
        self.complete_after = complete_after
        self._positions = array("q")
        self._nids = array("q")
        self._marks = array("q")
        """The sender's number and the bits."""
        self._senders: dict[str, int] = {}

    def reaches(self, pos: int) -> bool:
        """Whether all events after `pos` are here, or at least as many as anybody counts."""
        return self.complete_after <= pos or len(self._positions) >= EVENTS

    def add(self, stored: StoredEvent, bits: int) -> None:
        """The next event."""
        sender = self._senders.setdefault(stored.event.sender, len(self._senders))
        self._positions.append(stored.pos or 0)
        self._nids.append(stored.event_nid)
        self._marks.append(sender << _BITS | bits)
        if len(self._positions) > 2 * EVENTS:
            self.complete_after = self._positions[EVENTS - 1]
            for column in (self._positions, self._nids, self._marks):
                del column[:EVENTS]

    def silence(self, stored: StoredEvent) -> None:
        """The event has been redacted, and notifies nobody any more."""
        at = bisect_right(self._positions, stored.pos or 0) - 1
        if at >= 0 and self._positions[at] == stored.pos:
            self._marks[at] &= ~(NOTIFIES | HIGHLIGHTS | LOOK)

    def senders(self, user_ids: Collection[str]) -> set[int]:
        """The numbers of those of these users who have said something."""
        return {self._senders[user_id] for user_id in user_ids if user_id in self._senders}

    def between(self, after: int, upto: int) -> Iterator[Outcome]:
        """Those with `after < pos <= upto`."""
        start, end = bisect_right(self._positions, after), bisect_right(self._positions, upto)
        for pos, nid, mark in zip(
            self._positions[start:end], self._nids[start:end], self._marks[start:end], strict=True
        ):
            yield pos, nid, mark >> _BITS, mark & (1 << _BITS) - 1


class DefaultOutcomes:
    """Of all rooms. `on_commit` is a listener of the appender."""

    def __init__(self, *, notifying: Notifying) -> None:
        self._notifying = notifying
        self._rooms: OrderedDict[int, RoomOutcomes] = OrderedDict()

    def after(self, room_nid: int, pos: int) -> RoomOutcomes | None:
        """A room's outcomes, if they reach back to `pos`."""
        found = self._rooms.get(room_nid)
        return found if found is not None and found.reaches(pos) else None

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Work out what has been committed."""
        for append in batch:
            if append.makes_full is not None or any(entry.stored.pos is not None for entry in append.quiet):
                # History has come: what is here may not be all of it any more.
                self._rooms.pop(append.room.room_nid, None)
            if append.head is not None:
                for entry in append.events:
                    if entry.stored.state_before is not None:
                        self._add(append.room, entry.stored)
            for target, _ in append.redactions:
                known = self._rooms.get(append.room.room_nid)
                if known is not None:
                    known.silence(target)

    def forget(self, room_nid: int, upto_pos: int | None = None) -> None:
        """The room has been purged, or something of it up to here."""
        known = self._rooms.get(room_nid)
        if known is not None and (upto_pos is None or known.complete_after < upto_pos):
            del self._rooms[room_nid]

    def _add(self, room: Room, stored: StoredEvent) -> None:
        known = self._rooms.get(room.room_nid)
        if known is None:
            before = FIRST_POS if stored.event.type == "m.room.create" else (stored.pos or 0) - 1
            known = self._rooms[room.room_nid] = RoomOutcomes(before)
            if len(self._rooms) > ROOMS:
                self._rooms.popitem(last=False)
        else:
            self._rooms.move_to_end(room.room_nid)
        known.add(stored, _bits(stored, self._notifying.for_anybody(room, stored)))


def _bits(stored: StoredEvent, actions: Actions | None) -> int:
    event = stored.event
    bits = RELATED if relation_of(event) is not None else 0
    if event.type == "m.room.member":
        bits |= MEMBER
    if actions is None or event.redacts is not None:
        return bits | LOOK
    return bits | (NOTIFIES if actions.notify else 0) | (HIGHLIGHTS if actions.highlight else 0)
