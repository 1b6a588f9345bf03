"""Putting the events of a partially joined room into their full states, and judging them again.

MSC3902: once the full state before the join is known, so is that after it, and so on forward through the graph. Each
state is a difference on the one before; states are resolved only where branches meet. What comes out is kept in memory
until the last event is done, and then takes its place in one transaction (`rooms.become_full`): nobody ever sees a room
of which one half is judged by partial state and the other by full.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.auth.state import CREATE, POWER_LEVELS
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.events import Event, StateKey
from ranvier.proto.signing import authorising_server
from ranvier.rooms.graph import Graph, as_events
from ranvier.rooms.outliers import judge_by_auth_events
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import StateRows, known_state
from ranvier.store.events import ACCEPTED, REJECTED, SOFT_FAILED, StoredEvent


@dataclass(slots=True)
class Told:
    """What other servers have been asked for, by the number of the event in question."""

    states: dict[int, Sequence[StoredEvent] | None] = field(default_factory=dict)
    """The states before events whose `prev_events` are not all known; `None` if nobody could tell."""
    badly_signed: set[int] = field(default_factory=set)
    """Joins that the server of the authorising user has not signed."""
    well_signed: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Replay:
    """The replay of one room, as far as it has come. For one `Room` object: with another one it begins anew."""

    rooms: Rooms
    graph: Graph
    room: Room
    partial: PartialRoom
    done: dict[int, tuple[StoredEvent, Sequence[int]]] = field(default_factory=dict)
    """Events in their full states, by number, with the numbers of their auth events."""
    changed: set[int] = field(default_factory=set)
    """The numbers of those of which the verdict is another one now."""
    guessed: set[int] = field(default_factory=set)
    """The numbers of those whose state nobody could tell, and of those that build on nothing else. Their verdict stays
    what it was, and they stay marked."""

    async def waiting(self) -> list[StoredEvent]:
        """The events that are not done, each after those that it cites. Reads what is not in memory.

        Those that are about to be stored are found once they are, and those that could not be stored never.
        """
        found = await self.rooms.cache.get([nid for nid in self.partial.events if nid not in self.done])
        by_id = {stored.event.event_id: stored for stored in found.values()}
        events = {event_id: stored.event for event_id, stored in by_id.items()}
        return [by_id[event.event_id] for event in ancestors_first(events, lambda event: event.prev_events)]

    async def questions(self, waiting: Sequence[StoredEvent], told: Told) -> tuple[list[StoredEvent], list[Event]]:
        """Those of these events whose states, and those whose signatures, have to be asked for first."""
        cited = {event_id for stored in waiting for event_id in stored.event.prev_events}
        known = await self.rooms.cache.by_id(list(cited))
        placed = {event_id for event_id, stored in known.items() if stored.state_before is not None}
        states = [
            stored
            for stored in waiting
            if stored.event_nid not in told.states
            and stored.event.event_id != self.partial.join_event_id
            and not placed.issuperset(stored.event.prev_events)
        ]
        signatures = [
            stored.event
            for stored in waiting
            if stored.status == REJECTED
            and stored.event_nid not in told.badly_signed | told.well_signed
            and authorising_server(stored.event) is not None
        ]
        return states, signatures

    async def advance(self, waiting: Sequence[StoredEvent], told: Told) -> list[StateRows]:
        """Put these events, in this order, into their states; what has to be stored for that. Under the room's lock."""
        rows: list[StateRows] = []
        for stored in waiting:
            await self._one(stored, told, rows)
            self.partial.replayed = len(self.done)
        return rows

    async def merge(self, events: Sequence[StoredEvent], states: set[int], rows: list[StateRows]) -> int:
        """The number of the resolution of `states` and the states after these events."""
        for stored in events:
            state_no, made = await self.graph.after(self.room, self.newest(stored))
            rows += [] if made is None else [made]
            states.add(state_no)
        if len(states) < 2:
            return next(iter(states), 0)
        state_no, made = await self.graph.resolve(self.room, states, self._judged_anew())
        rows += [] if made is None else [made]
        return state_no

    def newest(self, stored: StoredEvent) -> StoredEvent:
        """The event as it is after the replay, if that has come to it."""
        return self.done[stored.event_nid][0] if stored.event_nid in self.done else stored

    def _judged_anew(self) -> Mapping[int, tuple[StoredEvent, Sequence[int]]]:
        """Those of which the database would say something else."""
        return {nid: self.done[nid] for nid in self.changed}

    async def _one(self, stored: StoredEvent, told: Told, rows: list[StateRows]) -> None:
        event = stored.event
        cited = await self.rooms.cache.by_id([*event.auth_events, *event.prev_events])
        auth = [self.newest(cited[event_id]) for event_id in event.auth_events if event_id in cited]
        parents = [cited[event_id] for event_id in event.prev_events if event_id in cited]
        placed = [parent for parent in parents if parent.state_before is not None]
        states = await self._told(stored, told, rows)
        known = [parent for parent in placed if parent.event_nid not in self.guessed]
        is_untold = stored.event_nid in told.states and told.states[stored.event_nid] is None
        if is_untold or not (states or known):
            self.guessed.add(stored.event_nid)
            if not placed:
                states = {await self._guess(stored, rows)}
        is_guessed = stored.event_nid in self.guessed
        # What others tell is what came out where all the parents met. Resolved with the states of some of them once more,
        # it could become another one than others have. What was guessed is told to others who ask, so it counts here too.
        state_no = next(iter(states)) if states else await self.merge(placed, set(), rows)
        replayed = msgspec.structs.replace(stored, state_before=state_no, state_after=None)
        standing = await self._standing(event, state_no)
        if not is_guessed:
            replayed.status = self._verdict(stored, auth, as_events(standing), told)
        replaced = None if event.key is None else standing.get(event.key)
        replayed.replaces = None if replaced is None else replaced.event_nid
        if stored.key_id is not None and replayed.status != REJECTED:
            entry = {stored.key_id: stored.event_nid}
            derived = await self.room.history.derive(state_no, entry, replaced={stored.key_id: replayed.replaces or 0})
            replayed.state_after = derived.state_no
            rows.append(derived.rows)
        self.done[stored.event_nid] = replayed, [entry.event_nid for entry in auth]
        if replayed.status != stored.status:
            self.changed.add(stored.event_nid)

    async def _told(self, stored: StoredEvent, told: Told, rows: list[StateRows]) -> set[int]:
        """The state before the event as other servers told it, if it does not follow from what we have."""
        full_no = self.partial.full_state_no or 0
        if stored.event.event_id == self.partial.join_event_id:
            return {full_no}
        if stored.event_nid not in told.states:
            return set()
        state = told.states[stored.event_nid]
        if state is None:
            return set()
        state_no, made = await self.graph.known_state(self.room, state, base_no=full_no)
        rows += [] if made is None else [made]
        return {state_no}

    async def _guess(self, stored: StoredEvent, rows: list[StateRows]) -> int:
        """A full state in place of the partial one before an event: who else was there then is taken from the join."""
        known = await self.room.history.load_state(known_state(stored.state_before or 0))
        derived = await self.room.history.derive(self.partial.full_state_no or 0, known)
        rows.append(derived.rows)
        return derived.state_no

    async def _standing(self, event: Event, state_no: int) -> Mapping[StateKey, StoredEvent]:
        keys = {CREATE, POWER_LEVELS, *auth_types_of(event), *([] if event.key is None else [event.key])}
        return await self.entries(state_no, keys)

    async def entries(self, state_no: int, keys: Iterable[StateKey]) -> Mapping[StateKey, StoredEvent]:
        """These entries of a state, as they are after the replay."""
        found = await self.graph.entries(self.room, state_no, keys, self._judged_anew())
        return {key: self.newest(stored) for key, stored in found.items()}

    def _verdict(
        self, stored: StoredEvent, auth: Sequence[StoredEvent], state: Mapping[StateKey, Event], told: Told
    ) -> int:
        """Checks 4 and 5. The sixth is not made up for: nobody can know what the room was like when the event came."""
        create = self.room.state.get(CREATE)
        if stored.status == REJECTED and authorising_server(stored.event) is not None:
            signed = stored.event_nid in told.well_signed
        else:
            signed = True
        status = judge_by_auth_events(
            stored.event, auth, None if create is None else create.event, authoriser_signed=signed
        )
        if status == ACCEPTED:
            try:
                check_event(stored.event, state)
            except AuthError:
                status = REJECTED
        return SOFT_FAILED if status == ACCEPTED and stored.status == SOFT_FAILED else status
