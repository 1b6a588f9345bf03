"""The state that goes with a timeline: all of it, or what has changed.

Spec: client-server API, "Syncing": `state` is what was true before the first event of the timeline, `state_after` what is
true after the last.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ranvier.proto.events import StateKey
from ranvier.rooms.cited_members import cited_members
from ranvier.rooms.full_room import known_members
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import known_state
from ranvier.store import rooms as store
from ranvier.store.events import StoredEvent
from ranvier.store.state_keys import MEMBER_KEYS

Entries = dict[StateKey, StoredEvent]


class StateSections:
    """Reads states."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def current(self, room: Room, *, members: bool) -> Entries:
        """The current state. One statement with members, none without."""
        if not members:
            return dict(room.state)
        # Partial rooms are hidden from who wants all members.
        rows = await store.all_current(self._rooms.db, known_members(room.room_nid))
        return by_key(await self._rooms.cache.from_rows(rows))

    async def before(self, room: Room, events: Sequence[StoredEvent], *, members: bool) -> Entries:
        """The room's state when the first of these events of its timeline came.

        If they lead to the room's present they are undone; then it costs one statement with members, and none without
        if what they replaced is in memory.
        """
        first = events[0]
        if _leads_to_present(room, events):
            return await self._undone(await self.current(room, members=members), events, members=members)
        if first.room_before == room.state_no:
            return await self.current(room, members=members)
        history = room.history
        state_no = first.room_before
        entries = await (history.load_state(known_state(state_no)) if members else history.load_non_members(state_no))
        return by_key((await self._rooms.cache.get(list(entries.values()))).values())

    async def _undone(self, entries: Entries, events: Sequence[StoredEvent], *, members: bool) -> Entries:
        undone = [stored for stored in events if stored.event.key is not None and (members or not _is_member(stored))]
        replaced = await self._rooms.cache.get([stored.replaces for stored in undone if stored.replaces is not None])
        for stored in reversed(undone):
            key = stored.event.key or ("", "")
            former = None if stored.replaces is None else replaced.get(stored.replaces)
            if former is None:
                entries.pop(key, None)
            else:
                entries[key] = former
        return entries

    async def changed(self, room: Room, earlier: int, later: int, *, members: bool) -> Entries:
        """What `later` has that `earlier` (both numbers of states) has not, or has differently."""
        if earlier == later:
            return {}
        difference = await differing(room, earlier, later)
        nids = [after for key_id, (_, after) in difference.items() if after and (members or key_id < MEMBER_KEYS)]
        return by_key((await self._rooms.cache.get(nids)).values())

    async def members(self, room: Room, user_ids: Iterable[str]) -> Entries:
        """The current member events of these users, those that there are."""
        found: Entries = {}
        for user_id in user_ids:
            stored = await self._rooms.member(room, user_id)
            if stored is not None:
                found["m.room.member", user_id] = stored
        return found

    async def speakers(self, room: Room, events: Sequence[StoredEvent]) -> Entries:
        """The current member events of those who sent these; as far as they are not known, what their events cite."""
        found = await self.members(room, senders(events))
        if room.partial is not None:
            unknown = [stored for stored in events if ("m.room.member", stored.event.sender) not in found]
            for user_id, member in (await cited_members(self._rooms.cache, unknown)).items():
                found["m.room.member", user_id] = member
        return found


async def differing(room: Room, a: int, b: int) -> dict[int, tuple[int, int]]:
    """The difference of two states of a room, as `RoomHistory.difference`.

    Of a partial room without members: it may be about to become full, and then all of them differ.
    """
    if room.partial is None:
        return await room.history.difference(a, b)
    before, after = await room.history.load_non_members(a), await room.history.load_non_members(b)
    pairs = {key_id: (before.get(key_id, 0), after.get(key_id, 0)) for key_id in before | after}
    return {key_id: pair for key_id, pair in pairs.items() if pair[0] != pair[1]}


def _leads_to_present(room: Room, events: Sequence[StoredEvent]) -> bool:
    """Whether nothing but these events lies between the state before them and the one that the room has now.

    They are one after the other, without any left out between them, and on no branch.
    """
    return (
        [events[-1]] == room.extremities
        and room.idle
        and all(stored.head_before is None for stored in events)
        and all(later.event.prev_events == (earlier.event.event_id,) for earlier, later in pairwise(events))
    )


def _is_member(stored: StoredEvent) -> bool:
    return stored.event.type == "m.room.member"


def by_key(events: Iterable[StoredEvent]) -> Entries:
    """State events by what they set."""
    return {stored.event.key: stored for stored in events if stored.event.key is not None}


def senders(events: Iterable[StoredEvent]) -> set[str]:
    """Who sent these events."""
    return {stored.event.sender for stored in events}
