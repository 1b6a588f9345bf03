"""The state that goes with a timeline: all of it, or what has changed.

Spec: client-server API, "Syncing": `state` is what was true before the first event of the timeline, `state_after` what is
true after the last.
"""

from collections.abc import Iterable, Mapping

from ranvier.proto.events import Event, StateKey
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.events import StoredEvent

Entries = dict[StateKey, StoredEvent]


class StateSections:
    """Reads states."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def current(self, room: Room, *, members: bool) -> Entries:
        """The current state. One statement with members, none without."""
        if not members:
            return dict(room.state)
        rows = await store.all_current(self._rooms.db, room.room_nid)
        return by_key(await self._rooms.cache.from_rows(rows))

    async def before(self, room: Room, first: StoredEvent, *, members: bool) -> Entries:
        """The room's state when an event of the timeline came."""
        if first.room_before == room.state_no:
            return await self.current(room, members=members)
        history = room.history
        state_no = first.room_before
        entries = await (history.load_state(state_no) if members else history.load_non_members(state_no))
        return by_key((await self._rooms.cache.get(list(entries.values()))).values())

    async def changed(self, room: Room, earlier: int, later: int, *, members: bool) -> Entries:
        """What `later` has that `earlier` (both numbers of states) has not, or has differently."""
        if earlier == later:
            return {}
        difference = await room.history.difference(earlier, later)
        nids = [after for _, after in difference.values() if after]
        entries = by_key((await self._rooms.cache.get(nids)).values())
        return entries if members else {key: entry for key, entry in entries.items() if key[0] != "m.room.member"}

    async def members(self, room: Room, user_ids: Iterable[str]) -> Entries:
        """The current member events of these users, those that there are."""
        found: Entries = {}
        for user_id in user_ids:
            stored = await self._rooms.member(room, user_id)
            if stored is not None:
                found["m.room.member", user_id] = stored
        return found


def by_key(events: Iterable[StoredEvent]) -> Entries:
    """State events by what they set."""
    return {stored.event.key: stored for stored in events if stored.event.key is not None}


def senders(events: Iterable[StoredEvent]) -> set[str]:
    """Who sent these events."""
    return {stored.event.sender for stored in events}


def names_room(state: Mapping[StateKey, StoredEvent]) -> bool:
    """Whether the room has a name of its own, so that no heroes are needed."""
    return _has(state, "m.room.name", "name") or _has(state, "m.room.canonical_alias", "alias")


def _has(state: Mapping[StateKey, StoredEvent], type_: str, key: str) -> bool:
    stored = state.get((type_, ""))
    event: Event | None = None if stored is None else stored.event
    return event is not None and bool(event.content.get(key))
