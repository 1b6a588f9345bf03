"""The states that the events of a room stand in, where its history branches.

Spec: server-server API, "Room state resolution": the state before an event is the resolution of the states after its
`prev_events`. Used by the room's writer, under the room's lock.
"""

from collections.abc import Collection, Iterable, Mapping

from ranvier.proto.events import Event, StateKey
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import StateRows, known_state
from ranvier.state.resolver import Resolver, Unstored
from ranvier.store.events import REJECTED, StoredEvent


class Graph:
    """Finds the states of events."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def after(self, room: Room, stored: StoredEvent) -> tuple[int, StateRows | None]:
        """The number of the state after an event of the graph, and what has to be stored with it, if anything."""
        before = stored.state_before or 0
        if stored.key_id is None or stored.status == REJECTED:
            return before, None
        if stored.state_after is not None:
            return stored.state_after, None
        derived = await room.history.derive(before, {stored.key_id: stored.event_nid})
        stored.state_after = derived.state_no
        return derived.state_no, derived.rows

    async def resolve(self, room: Room, state_nos: Collection[int], unstored: Unstored) -> tuple[int, StateRows | None]:
        """The resolution of some states, as `after`. Every event that is not `unstored` must be durable."""
        if room.resolver is None:
            rooms = self._rooms
            room.resolver = Resolver(
                db=rooms.db, keys=rooms.keys, cache=rooms.cache, version=room.version, history=room.history
            )
        resolved = await room.resolver.resolve(state_nos, unstored)
        room.resolver.remember(state_nos, resolved)
        return resolved.state_no, resolved.rows

    async def known_state(
        self, room: Room, events: Iterable[StoredEvent], *, base_no: int | None = None
    ) -> tuple[int, StateRows | None]:
        """The number of the state that consists of these events, derived from `base_no`, or the room's present one."""
        base_no = room.state_no if base_no is None else base_no
        entries = {
            stored.key_id: stored.event_nid
            for stored in events
            if stored.key_id is not None and stored.status != REJECTED
        }
        if not base_no:
            root = await room.history.root(entries)
            return root.state_no, root.rows if root.state_no else None
        standing = await room.history.load_state(known_state(base_no))
        changes = {key_id: nid for key_id, nid in entries.items() if standing.get(key_id) != nid}
        changes |= dict.fromkeys(standing.keys() - entries.keys(), 0)
        derived = await room.history.derive(base_no, changes)
        return derived.state_no, derived.rows

    async def entries(
        self, room: Room, state_no: int, keys: Iterable[StateKey], unstored: Unstored
    ) -> dict[StateKey, StoredEvent]:
        """These entries of a state. `unstored` are events, by number, that only the asker has yet."""
        rooms = self._rooms
        key_ids = [await rooms.keys.find(rooms.db, key) for key in keys]
        nids = (await room.history.get(state_no, [key_id for key_id in key_ids if key_id is not None])).values()
        found = {nid: unstored[nid][0] for nid in nids if nid in unstored}
        found |= await rooms.cache.get([nid for nid in nids if nid not in unstored])
        return {stored.event.key: stored for stored in found.values() if stored.event.key is not None}


def as_events(entries: Mapping[StateKey, StoredEvent]) -> dict[StateKey, Event]:
    """What the auth rules read."""
    return {key: stored.event for key, stored in entries.items()}
