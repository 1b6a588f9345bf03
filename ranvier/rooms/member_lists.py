"""The members of rooms as `/members` tells them, ready in memory for rooms whose members somebody asked for lately.

Every client that opens a room asks for them. A list is read once and then follows what is committed, one event at a time;
those that were not asked for longest go when all together take too much memory.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from ranvier.proto.client_events import client_event, client_members
from ranvier.rooms.append import Append, CurrentEntry
from ranvier.rooms.full_room import FullRoom, all_members
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.state_keys import MEMBER_KEYS

BYTES: Final = 16 << 20
"""Of all lists together; the members of a room of 5,000 take 2 MB."""

_Key = tuple[int, frozenset[int]]
"""A room, and the memberships that are listed."""


class _List:
    __slots__ = ("events", "size")

    def __init__(self, events: dict[int, bytes]) -> None:
        self.events = events
        """By the number of the state key."""
        self.size = sum(map(len, events.values())) + 100 * len(events)

    def set(self, key_id: int, event: bytes | None) -> None:
        before = self.events.pop(key_id, None)
        self.size -= 0 if before is None else len(before) + 100
        if event is not None:
            self.events[key_id] = event
            self.size += len(event) + 100


class MemberLists:
    """Reads and keeps lists. `on_commit` is a listener of the appender."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms
        self._lists: OrderedDict[_Key, _List] = OrderedDict()
        self._of_room: dict[int, set[_Key]] = {}
        self._size = 0
        self._reading: dict[int, set[object]] = {}
        """Rooms whose members are being read, and have not changed meanwhile."""

    async def of(self, room: FullRoom, memberships: Collection[int]) -> Collection[bytes] | None:
        """The member events of now, with these memberships, as clients see them. Not to be kept.

        One statement the first time, then none; no objects are made of thousands. `None` if one of the events is
        redacted: those have to say so.
        """
        key = (room.room_nid, frozenset(memberships))
        known = self._lists.get(key)
        if known is not None:
            self._lists.move_to_end(key)
            return known.events.values()
        token = object()
        self._reading.setdefault(room.room_nid, set()).add(token)
        rows = await store.current_members_json(self._rooms.db, all_members(room), memberships)
        is_current = token in self._reading.get(room.room_nid, ())
        self._reading.pop(room.room_nid, None)
        if any(row[3] is not None for row in rows):
            return None
        encoded = client_members(((row[1], row[2]) for row in rows), room.room_id)
        if is_current:
            self._keep(key, _List(dict(zip((row[0] for row in rows), encoded, strict=True))))
        return encoded

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Members have changed."""
        for append in batch:
            self._reading.pop(append.room.room_nid, None)
            keys = self._of_room.get(append.room.room_nid)
            if not keys:
                continue
            members = [entry for entry in append.current if entry.key_id >= MEMBER_KEYS]
            is_simple = append.makes_full is None and not append.superseded and not append.replayed
            redacts_member = any(target.event.type == "m.room.member" for target, _ in append.redactions)
            if not is_simple or redacts_member or not self._follow(keys, members):
                self.forget(append.room.room_nid)

    def forget(self, room_nid: int) -> None:
        """Read the room's members again."""
        for key in self._of_room.pop(room_nid, ()):
            self._size -= self._lists.pop(key).size

    def _follow(self, keys: Collection[_Key], members: Sequence[CurrentEntry]) -> bool:
        """Change lists of one room; false if what the members are now is not in memory."""
        for entry in members:
            stored = self._rooms.cache.peek(entry.event_nid)
            if entry.event_nid and (stored is None or stored.redacted_by is not None or entry.membership is None):
                return False
            event = None if stored is None else client_event(stored.event, room_id=True)
            for key in keys:
                known = self._lists[key]
                self._size -= known.size
                known.set(entry.key_id, event if entry.membership in key[1] else None)
                self._size += known.size
        return True

    def _keep(self, key: _Key, found: _List) -> None:
        if key in self._lists or found.size > BYTES:
            return
        self._lists[key] = found
        self._of_room.setdefault(key[0], set()).add(key)
        self._size += found.size
        while self._size > BYTES:
            oldest = next(iter(self._lists))
            self._size -= self._lists.pop(oldest).size
            self._of_room[oldest[0]].discard(oldest)
