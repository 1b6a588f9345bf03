"""A local user comes into a room that this server is not in: the room begins here with their join.

Spec: server-server API, "Joining Rooms". What the resident server has answered is verified before it comes here.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial as bound

from ranvier.db.engine import Tx
from ranvier.ports import Clock
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.state import CREATE
from ranvier.proto.errors import MatrixError
from ranvier.proto.events import Event, StateKey
from ranvier.proto.ids import domain_of
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.append import Append, Appended, Appender
from ranvier.rooms.graph import Graph
from ranvier.rooms.head import Head
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.state.history import RoomHistory
from ranvier.store import partial_state
from ranvier.store import rooms as store
from ranvier.store.events import REJECTED, StoredEvent, encode_auth
from ranvier.store.partial_state import PartialRow
from ranvier.store.rooms import MEMBERSHIPS
from ranvier.store.state_keys import MEMBER_KEYS


class BadState(Exception):
    """What a resident server told of a room cannot be its state; the text says why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentAnswer:
    """What a resident server told of the room, signatures and hashes checked."""

    state: Sequence[Event]
    """The state before the join: all of it, unless it is `partial`."""
    auth_chain: Sequence[Event]
    join: Event
    badly_authorised: frozenset[str] = frozenset()
    """Ids of joins that the server of the authorising user has not signed."""
    partial: "TakenIn | None" = None
    """Set if the resident server has left members out of `state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """Of a join with partial state: through whom, and to whom."""

    joined_via: str
    servers: frozenset[str]
    """The servers in the room before the join, as the resident server told."""


class Arriving:
    """Begins rooms. One a process."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        appender: Appender,
        graph: Graph,
        outliers: Outliers,
        clock: Clock,
        device_lists_pos: Callable[[], int],
        server_name: str,
    ) -> None:
        """`device_lists_pos` is the position up to which our users' device lists have changed."""
        self._clock = clock
        self._device_lists_pos = device_lists_pos
        self._rooms = rooms
        self._appender = appender
        self._graph = graph
        self._outliers = outliers
        self._server_name = server_name

    async def begin(self, version: RoomVersion, room_id: str, answer: ResidentAnswer) -> StoredEvent:
        """The room is as told, and the join the newest event in it; returns when that is durable: the join.

        A room that this server has left goes on where the join is. Raises `BadState`, and 403 if the join is not
        allowed in that state; then nothing is kept. One write transaction.
        """
        async with self._rooms.entering(room_id):
            room, is_new = await self._room(version, room_id)
            async with room.lock:
                await room.settled()
                join, done = await self._begin(room, answer, is_new=is_new)
            try:
                await durable(done)
            except MatrixError:
                if room.partial is not None:
                    self._rooms.partials.take_back(room.partial)
                raise
        if room.partial is not None:
            for listener in self._rooms.partials.on_begun:
                listener(room.partial)
        return join

    async def _room(self, version: RoomVersion, room_id: str) -> tuple[Room, bool]:
        """The room in memory, and whether it has no row yet."""
        room = await self._rooms.find(room_id)
        if room is not None:
            if room.version is not version:
                raise BadState("the room has another version")
            return room, False
        heard_of = await store.nid_of(self._rooms.db, room_id)
        room_nid = self._rooms.new_nid() if heard_of is None else heard_of[0]
        history = await RoomHistory.load(self._rooms.db, room_nid, cache=self._rooms.layers)
        return Room(room_nid=room_nid, room_id=room_id, version=version, history=history), heard_of is None

    async def _begin(
        self, room: Room, answer: ResidentAnswer, *, is_new: bool
    ) -> tuple[StoredEvent, asyncio.Future[None]]:
        append = Append(room=room, events=[], is_from_elsewhere=True, sends=False)
        events = [*answer.auth_chain, *answer.state, answer.join]
        found = await self._outliers.make(room, events, append, badly_authorised=answer.badly_authorised)
        state = _state_of(answer, found)
        join = await self._judged_join(answer, found, state)
        append.quiet = [entry for entry in append.quiet if entry.stored is not join]
        state_no, rows = await self._graph.known_state(room, state.values())
        if rows is not None:
            append.states.append(rows)
        replaced = state.get(answer.join.key or ("", ""))
        join.state_before = state_no
        join.head_before = None if state_no == room.state_no else room.state_no
        join.replaces = None if replaced is None else replaced.event_nid
        after, rows = await self._graph.after(room, join)
        if rows is not None:
            append.states.append(rows)
        creator = state[CREATE].event.sender
        if is_new:
            append.new_room = (room.room_nid, room.room_id, room.version.identifier, creator, 0)
        elif not room.state:
            # Who told of it before, in an invitation perhaps, may have told what is not so.
            append.also.append(lambda tx: store.correct(tx, room.room_nid, room.version.identifier, creator))
        partial = await self._partial(room, answer, join, state, state_no)
        if partial is not None:
            partial.begun_with = set(found) if is_new else None
            append.also.append(bound(_note, partial=partial, members=members_of(state.values())))
        try:
            await self._put(
                room, answer, append, join, [*(e for e in state.values() if e is not replaced), join], after
            )
            done = self._appender.submit(append)
        except BaseException:
            room.spoilt = True
            self._rooms.drop(room)
            raise
        if partial is not None:
            self._rooms.partials.begin(partial)
        room.partial = partial
        self._rooms.add(room)
        return join, done

    async def _partial(
        self,
        room: Room,
        answer: ResidentAnswer,
        join: StoredEvent,
        state: Mapping[StateKey, StoredEvent],
        state_no: int,
    ) -> PartialRoom | None:
        """What is to be noted of the room if it is partial.

        It is so too, for a moment, if it was left before it became full: the events of that time have partial states
        still, which others may build on, and are put right first.
        """
        left_over = await partial_state.left_over(self._rooms.db, room.room_id)
        if answer.partial is None and not left_over:
            return None
        told = members_of(state.values())
        taken_in = answer.partial or TakenIn(joined_via=domain_of(answer.join.sender), servers=frozenset())
        return PartialRoom(
            full_state_no=None if answer.partial is not None else state_no,
            members=0 if answer.partial is not None else len(told),
            room_nid=room.room_nid,
            room_id=room.room_id,
            join_event_id=join.event.event_id,
            joined_via=taken_in.joined_via,
            servers=taken_in.servers,
            device_lists_pos=self._device_lists_pos(),
            started_ts=self._clock.now_ms(),
            events={join.event_nid, *left_over},
        )

    async def _judged_join(
        self, answer: ResidentAnswer, found: dict[str, StoredEvent], state: dict[StateKey, StoredEvent]
    ) -> StoredEvent:
        join = found.get(answer.join.event_id)
        if join is None or join.status == REJECTED:
            raise BadState("the join is not allowed by its own auth events")
        standing = {key: stored.event for key, stored in state.items()}
        if answer.partial is not None:
            # What a partial state says nothing of, the auth events of the join do.
            own = [found[event_id].event for event_id in answer.join.auth_events if event_id in found]
            standing = {event.key: event for event in own if event.key is not None} | standing
        try:
            check_event(answer.join, standing)
        except AuthError as error:
            raise BadState(f"the join is not allowed: {error}") from error
        return join

    async def _put(
        self,
        room: Room,
        answer: ResidentAnswer,
        append: Append,
        join: StoredEvent,
        state: Collection[StoredEvent],
        state_no: int,
    ) -> None:
        known = await self._rooms.cache.by_id(answer.join.prev_events)
        append.gaps += [
            (event_id, join)
            for event_id in answer.join.prev_events
            if event_id not in known or known[event_id].state_before is None
        ]
        auth = await self._rooms.cache.by_id(answer.join.auth_events)
        made = {entry.stored.event.event_id: entry.stored for entry in append.quiet}
        nids = [(made.get(event_id) or auth[event_id]).event_nid for event_id in answer.join.auth_events]
        append.events.append(Appended(stored=join, auth=encode_auth(join.event_nid, nids)))
        head = Head(rooms=self._rooms, room=room, server_name=self._server_name)
        changes = await head.begin(join, state, state_no)
        append.current += changes.current
        append.members += changes.members
        append.redescribe = True


def members_of(state: Iterable[StoredEvent]) -> list[tuple[int, int, int]]:
    """`(key_id, event_nid, membership)` of the members in a state."""
    return [
        (stored.key_id, stored.event_nid, MEMBERSHIPS.get(stored.event.membership or "", 0))
        for stored in state
        if stored.key_id is not None and stored.key_id >= MEMBER_KEYS and stored.status != REJECTED
    ]


async def _note(tx: Tx, *, partial: PartialRoom, members: Sequence[tuple[int, int, int]]) -> None:
    row = PartialRow(
        room_nid=partial.room_nid,
        room_id=partial.room_id,
        join_event_id=partial.join_event_id,
        joined_via=partial.joined_via,
        device_lists_pos=partial.device_lists_pos,
        started_ts=partial.started_ts,
        tries=0,
        next_try_ts=0,
        last_error=None,
        full_state_no=None,
        members=0,
    )
    await partial_state.begin(tx, row, partial.servers)
    if partial.full_state_no is not None:
        await partial_state.insert_members(tx, partial.room_nid, members)
        await partial_state.save_full_state(tx, partial.room_nid, partial.full_state_no, len(members))


def _state_of(answer: ResidentAnswer, found: dict[str, StoredEvent]) -> dict[StateKey, StoredEvent]:
    state = {}
    for event in answer.state:
        stored = found.get(event.event_id)
        if stored is None:
            raise BadState(f"auth events of {event.event_id} are missing")
        if event.key is not None and stored.status != REJECTED:
            state[event.key] = stored
    if CREATE not in state:
        raise BadState("the state has no create event")
    return state
