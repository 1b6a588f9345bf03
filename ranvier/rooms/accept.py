"""Taking in events from elsewhere: the one road every event takes that this server has not made itself.

Spec: server-server API, "Checks performed on receipt of a PDU", checks 4 to 7, and "Rejection", "Soft failure". Format,
signatures and hashes (checks 1 to 3) are behind an event that comes here. A batch of one room is one append.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.redaction import redaction_allowed
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.auth.state import CREATE, POWER_LEVELS
from ranvier.proto.events import Event, StateKey
from ranvier.proto.policy import POLICY
from ranvier.rooms.append import Append, Appended, Appender
from ranvier.rooms.arrival import Arrival, Judging
from ranvier.rooms.fallen_outliers import reject_with
from ranvier.rooms.graph import Graph, as_events
from ranvier.rooms.head import Head
from ranvier.rooms.outliers import Outliers, judge_by_auth_events
from ranvier.rooms.partial_ends import end_with_last_leave
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.store import backward_extremities, waiting_redactions
from ranvier.store.events import ACCEPTED, REJECTED, SOFT_FAILED, StoredEvent, band_below, encode_auth

SOFT_FAILED_STEPS: Final = 100
"""How many soft-failed or rejected events are walked through to find which extremities an event replaces."""


class Accepting:
    """Takes events in. One a process."""

    def __init__(self, *, rooms: Rooms, appender: Appender, graph: Graph, outliers: Outliers, server_name: str) -> None:
        self._rooms = rooms
        self._appender = appender
        self._graph = graph
        self._outliers = outliers
        self._server_name = server_name
        self.policing: Judging | None = None
        """Asks policy servers; `None` without federation."""

    async def accept(self, room_id: str, arrivals: Sequence[Arrival]) -> list[StoredEvent | None]:
        """Take in events of one room, each after those it cites; returns when that is durable.

        For each what it has become (see `status`); `None` if something that it cites is not known, and it brings no
        state. One write transaction. Raises 404 for an unknown room and 500 if the database refuses.
        """
        room = await self._rooms.get(room_id)
        if self.policing is not None and POLICY in room.state:
            arrivals = await self.policing.judged(room, arrivals)
        while True:
            room = await self._rooms.get(room_id)
            async with room.lock:
                if not room.spoilt:
                    await room.settled()
                if room.spoilt:
                    continue
                if room.room_nid in self._rooms.partials.left:
                    # Nobody is here any more, and what we have of its state would be taken for all there is.
                    return [None] * len(arrivals)
                batch = _Batch(self._rooms, self._appender, self._graph, self._outliers, self._server_name, room)
                try:
                    result = await batch.take(arrivals)
                    done = await batch.submit()
                except BaseException:
                    room.spoilt = True
                    self._rooms.drop(room)
                    raise
            break
        if done is not None:
            await durable(done)
        return result


@dataclass(slots=True)
class _Batch:
    """One batch on its way into one room."""

    rooms: Rooms
    appender: Appender
    graph: Graph
    outliers: Outliers
    server_name: str
    room: Room
    append: Append = field(init=False)
    head: Head = field(init=False)
    known: dict[str, StoredEvent] = field(default_factory=dict)
    """Events that are cited, by id."""
    unstored: dict[int, tuple[StoredEvent, Sequence[int]]] = field(default_factory=dict)
    """Events of the append, by number, with the numbers of their auth events."""
    outside: dict[str, StoredEvent] = field(default_factory=dict)
    """Those that are known from before this server was in the room."""
    missing: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Those of the batch that known events cite: they are history."""
    waiting: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Redactions that have come before their target."""
    history: dict[int, list[StoredEvent]] = field(default_factory=dict)
    """Old events by the position that they stand below, in order."""

    def __post_init__(self) -> None:
        self.append = Append(room=self.room, events=[], is_from_elsewhere=True)
        self.head = Head(rooms=self.rooms, room=self.room, server_name=self.server_name)

    async def take(self, arrivals: Sequence[Arrival]) -> list[StoredEvent | None]:
        self.append.sends = any(arrival.is_new for arrival in arrivals)
        events = [arrival.event for arrival in arrivals]
        ids = {event.event_id for event in events}
        cited = {cited for event in events for cited in (*event.auth_events, *event.prev_events)}
        targets = {event.redacts for event in events if event.redacts is not None}
        found = await self.rooms.cache.by_id(list(ids | cited | targets))
        here = {key: stored for key, stored in found.items() if stored.room_nid == self.room.room_nid}
        self.known = {key: stored for key, stored in here.items() if not stored.is_outside}
        self.outside = {key: here[key] for key in here.keys() - self.known.keys()}
        self.missing = await backward_extremities.children(self.rooms.db, self.room.room_nid, ids)
        self.waiting = await waiting_redactions.waiting(self.rooms.db, self.room.room_nid, ids)
        return [await self._take(arrival) for arrival in arrivals]

    async def submit(self) -> asyncio.Future[None] | None:
        """Hand over what has been gathered; `None` if there is nothing."""
        await self._place_history()
        append = self.append
        if self.room.partial is not None:
            await end_with_last_leave(self.rooms, append, self.server_name)
        return self.appender.submit(append) if append.events or append.quiet else None

    async def _take(self, arrival: Arrival) -> StoredEvent | None:
        event = arrival.event
        known = self.known.get(event.event_id)
        if known is not None and known.state_before is not None:
            return known
        auth = [self.known[event_id] for event_id in event.auth_events if event_id in self.known]
        parents = [self.known.get(event_id) for event_id in event.prev_events]
        placed = [parent for parent in parents if parent is not None and parent.state_before is not None]
        partial = self.room.partial
        guesses = partial is not None and arrival.guesses_state and len(placed) < len(parents)
        if len(auth) < len(event.auth_events) or (len(placed) < len(parents) and arrival.state is None and not guesses):
            return None
        guessed = set[int]()
        if partial is not None and guesses:
            join = (await self.rooms.cache.by_id([partial.join_event_id]))[partial.join_event_id]
            if arrival.below is None and event.event_id not in self.missing:
                placed.append(join)
            else:  # History is from before we came.
                guessed.add(join.state_before or 0)
        is_partial = guesses or (partial is not None and partial.is_partial(parent.event_nid for parent in placed))
        state_no = await self._state_before(arrival.state if len(placed) < len(parents) else None, placed, guessed)
        stored = await self._judged(arrival, auth, known, state_no, is_partial=is_partial)
        if partial is not None and is_partial:
            partial.events.add(stored.event_nid)
            self.append.partial_ids.append(event.event_id)
        if stored.key_id is not None:
            await self._find_state_after(stored, state_no)
        self.append.gaps += [(event_id, stored) for event_id in self._unplaced(event)]
        if event.event_id in self.missing:
            self.append.closed_gaps.append(event.event_id)
        if known is not None:
            self.append.placed.add(stored.event_nid)
            if stored.status == REJECTED != known.status:
                fallen = await reject_with(stored, self.append, db=self.rooms.db, cache=self.rooms.cache)
                self.known |= {one.event.event_id: one for one in fallen}
        if event.event_id in self.outside:
            self.append.superseded.append((self.outside.pop(event.event_id), stored))
        auth_nids = [entry.event_nid for entry in auth]
        if arrival.txn is not None and stored.status == ACCEPTED:
            stored.txn = arrival.txn.txn
            self.append.txns.append(arrival.txn.row(stored.event_nid, event.origin_server_ts))
        self.known[event.event_id] = stored
        self.unstored[stored.event_nid] = stored, auth_nids
        await self._put(arrival, stored, encode_auth(stored.event_nid, auth_nids))
        await self._redact(stored)
        return stored

    def _unplaced(self, event: Event) -> list[str]:
        return [
            event_id
            for event_id in event.prev_events
            if event_id not in self.known or self.known[event_id].state_before is None
        ]

    async def _state_before(
        self, state: Sequence[StoredEvent] | None, parents: Sequence[StoredEvent], guessed: set[int]
    ) -> int:
        """The number of the state before the event. `guessed` stands for parents that are not known.

        `state` is what others tell; it counts where not all parents are known.
        """
        if state is None:
            return await self._merge(parents, guessed)
        # It is what came out where all the parents met. Resolved with the states of some of them once more, it could
        # become another one than others have: a resolution depends on what is in conflict.
        state_no, rows = await self.graph.known_state(self.room, state)
        if rows is not None:
            self.append.states.append(rows)
        return state_no

    async def _merge(self, events: Sequence[StoredEvent], states: set[int]) -> int:
        """The number of the resolution of `states` and the states after these events."""
        for stored in events:
            state_no, rows = await self.graph.after(self.room, stored)
            if rows is not None:
                self.append.states.append(rows)
            states.add(state_no)
        if len(states) < 2:
            return next(iter(states), 0)
        state_no, rows = await self.graph.resolve(self.room, states, self.unstored)
        if rows is not None:
            self.append.states.append(rows)
        return state_no

    async def _judged(
        self,
        arrival: Arrival,
        auth: Sequence[StoredEvent],
        known: StoredEvent | None,
        state_no: int,
        *,
        is_partial: bool,
    ) -> StoredEvent:
        """The event with its verdict, in this state."""
        event, room = arrival.event, self.room
        create = room.state.get(CREATE)
        status = judge_by_auth_events(
            event, auth, None if create is None else create.event, authoriser_signed=arrival.authoriser_signed
        )
        if known is not None and known.status == REJECTED:
            status = REJECTED  # Once rejected, rejected for ever.
        keys = {CREATE, POWER_LEVELS, *auth_types_of(event), *([] if event.key is None else [event.key])}
        standing = await self._entries(state_no, keys)
        judging = standing if not is_partial else await self._with_auth_events(state_no, standing, auth)
        if status == ACCEPTED and not _allowed(event, as_events(judging)):
            status = REJECTED
        if status == ACCEPTED and arrival.below is None and event.event_id not in self.missing:
            # The state of a partially joined room is not known well enough to hold an event against it (MSC3902).
            is_here = state_no == room.state_no or room.partial is not None
            if arrival.spam or (not is_here and not _allowed(event, as_events(await self._entries(None, keys)))):
                status = SOFT_FAILED
        if known is None:
            stored = await self.outliers.unplaced(room, event, auth, status)
        else:
            depth = 1 + max((entry.auth_depth for entry in auth), default=0)
            # The other one is in the cache, and this may fail.
            stored = msgspec.structs.replace(known, status=status, auth_depth=depth)
        stored.state_before = state_no
        stored.head_before = None if state_no == room.state_no else room.state_no
        replaced = None if event.key is None else standing.get(event.key)
        stored.replaces = None if replaced is None else replaced.event_nid
        return stored

    async def _with_auth_events(
        self, state_no: int, standing: Mapping[StateKey, StoredEvent], auth: Sequence[StoredEvent]
    ) -> Mapping[StateKey, StoredEvent]:
        """The resolution of a partial state and an event's auth events, as far as that event is judged by it (MSC3902).

        What the state says nothing of, the auth events do.
        """
        told = {stored.event.key: stored for stored in auth if stored.event.key is not None}
        differing = {
            key: stored
            for key, stored in told.items()
            if key in standing and standing[key].event_nid != stored.event_nid and stored.key_id is not None
        }
        judging = {**told, **standing}
        if not differing:
            return judging
        room = self.room
        changes = {stored.key_id: stored.event_nid for stored in differing.values() if stored.key_id is not None}
        derived = await room.history.derive(state_no, changes)
        self.append.states.append(derived.rows)
        resolved_no, rows = await self.graph.resolve(room, {state_no, derived.state_no}, self.unstored)
        if rows is not None:
            self.append.states.append(rows)
        return judging | await self.graph.entries(room, resolved_no, differing, self.unstored)

    async def _entries(self, state_no: int | None, keys: Iterable[StateKey]) -> dict[StateKey, StoredEvent]:
        """Entries of a state, of the room's present one for `None`."""
        room = self.room
        if state_no is not None and state_no != room.state_no:
            return await self.graph.entries(room, state_no, keys, self.unstored)
        found = {}
        for key in keys:
            is_member = key[0] == "m.room.member"
            stored = await self.rooms.member(room, key[1]) if is_member else room.get_stored(key)
            if stored is not None:
                found[key] = stored
        return found

    async def _find_state_after(self, stored: StoredEvent, state_no: int) -> None:
        if stored.status == REJECTED or stored.key_id is None:
            return
        derived = await self.room.history.derive(
            state_no, {stored.key_id: stored.event_nid}, replaced={stored.key_id: stored.replaces or 0}
        )
        stored.state_after = derived.state_no
        self.append.states.append(derived.rows)

    async def _put(self, arrival: Arrival, stored: StoredEvent, auth_edges: bytes) -> None:
        """Among what is new, or what is old, or what nobody sees."""
        entry = Appended(stored=stored, auth=auth_edges)
        below = arrival.below
        if below is None and stored.event.event_id in self.missing:
            below = await self._first_citing(self.missing[stored.event.event_id])
        if below is not None:
            self.append.quiet.append(entry)
            if stored.status == ACCEPTED:
                self.history.setdefault(below, []).append(stored)
        elif stored.status != ACCEPTED or stored.event.event_id in self.missing:
            self.append.quiet.append(entry)
        else:
            await self._advance(entry)

    async def _first_citing(self, nids: Sequence[int]) -> int | None:
        found = await self.rooms.cache.get(list(nids))
        return min((stored.pos for stored in found.values() if stored.pos is not None), default=None)

    async def _advance(self, entry: Appended) -> None:
        """The event is one of the room's extremities now; the room's state is what follows from all of them."""
        stored, room = entry.stored, self.room
        replaced = await self._replaced_extremities(stored)
        extremities = [*(one for one in room.extremities if one.event_nid not in replaced), stored]
        self.append.events.append(entry)
        if len(extremities) == 1 and stored.head_before is None:
            changes = await self.head.follow(stored)
        else:
            state_no = await self._merge(extremities, set())
            changes = await self.head.move(stored, extremities, state_no, self.unstored)
        self.append.current += changes.current
        self.append.members += changes.members
        self.append.redescribe |= changes.redescribe

    async def _replaced_extremities(self, stored: StoredEvent) -> set[int]:
        """The numbers of those before the event, seen through events that are no extremities themselves."""
        replaced = set[int]()
        wanted = list(stored.event.prev_events)
        steps = 0
        while wanted and steps < SOFT_FAILED_STEPS:
            unknown = [event_id for event_id in wanted if event_id not in self.known]
            self.known |= await self.rooms.cache.by_id(unknown) if unknown else {}
            parents = [self.known[event_id] for event_id in wanted if event_id in self.known]
            wanted = []
            for parent in parents:
                if parent.event_nid not in replaced:
                    replaced.add(parent.event_nid)
                    steps += 1
                    wanted += parent.event.prev_events if parent.status != ACCEPTED else ()
        return replaced

    async def _redact(self, stored: StoredEvent) -> None:
        """Apply the event if it is a redaction, and those that have waited for it."""
        if stored.status == ACCEPTED and stored.event.redacts is not None:
            target = self.known.get(stored.event.redacts)
            if target is None and "\0" in stored.event.redacts:
                pass  # No event has such an id.
            elif target is None:
                self.append.early_redactions.append((stored.event.redacts, stored))
            elif target.redacted_by is None and await self._may_redact(stored, target):
                self.append.redactions.append((target, stored))
        redactions = self.waiting.get(stored.event.event_id, ())
        if redactions:
            self.append.arrived_targets.append(stored.event.event_id)
            for redaction in (await self.rooms.cache.get(list(redactions))).values():
                if await self._may_redact(redaction, stored):
                    self.append.redactions.append((stored, redaction))
                    break

    async def _may_redact(self, redaction: StoredEvent, target: StoredEvent) -> bool:
        standing = await self._entries(redaction.state_before, [CREATE, POWER_LEVELS])
        return redaction_allowed(redaction.event, target.event, as_events(standing))

    async def _place_history(self) -> None:
        """Give old events their positions: right below what they came before."""
        given: dict[int, int] = {}
        for below, events in self.history.items():
            lowest, highest = await band_below(self.rooms.db, self.room.room_nid, below)
            # Two that are cited may stand in one band, and the database does not know what the first was given.
            highest = min(highest, given.get(lowest, highest))
            for pos, stored in zip(range(highest, lowest - 1, -1), reversed(events), strict=False):
                stored.pos = pos
                given[lowest] = pos - 1
        self.history = {}


def _allowed(event: Event, state: Mapping[StateKey, Event]) -> bool:
    try:
        check_event(event, state)
    except AuthError:
        return False
    return True


__all__ = ["Accepting", "Arrival"]
