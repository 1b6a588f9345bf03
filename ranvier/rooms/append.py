"""The appender: commits what the rooms' writers hand it, whatever is waiting as one transaction.

A writer submits an `Append` (synchronously: that fixes the order of the stream) and waits for it to be durable. If a
commit fails, each append of the group is tried alone, so that one that cannot be stored does not take others with it;
the rooms of those that failed are spoilt: everything in flight for them fails too, and they are loaded again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial as bound

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.proto.redaction import redact_event
from ranvier.rooms.description import DescribedState, describe_stored, state_to_describe
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.relation_rows import relation_row
from ranvier.rooms.room import Room
from ranvier.state.history import StateRows
from ranvier.store import (
    backward_extremities,
    event_txns,
    events,
    partial_state,
    relations,
    room_descriptions,
    rooms,
    state_history,
    state_keys,
    waiting_redactions,
)
from ranvier.store.event_cache import EventCache
from ranvier.store.events import POS_BITS, StoredEvent
from ranvier.store.relations import RelationRow
from ranvier.store.room_descriptions import RoomDescription
from ranvier.store.rooms import BAN, LEAVE, RoomRow
from ranvier.store.state_keys import StateKeys

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MembershipChange:
    """One user's membership of the room became another."""

    user_id: str
    user_nid: int
    event_nid: int
    """The member event that is in force now; if the user has none any more, the event that took it away."""
    membership: int
    previous: int | None
    is_local: bool
    by: StoredEvent
    """The event with which it changed: mostly the member event itself, else one at which branches met."""

    @property
    def stream_pos(self) -> int:
        """When it changed; known once the append has been submitted."""
        return self.by.stream_pos


@dataclass(frozen=True, slots=True)
class CurrentEntry:
    """One entry of the room's current state has become this."""

    key_id: int
    event_nid: int
    """0 if there is none any more."""
    membership: int | None
    """Of a member event."""


@dataclass(slots=True, kw_only=True)
class Appended:
    """One event of an append."""

    stored: StoredEvent
    auth: bytes


@dataclass(slots=True, kw_only=True)
class Append:
    """What one step of a room's writer adds to the database."""

    room: Room
    events: list[Appended]
    """What is new in the room, in the order of the stream."""
    quiet: list[Appended] = field(default_factory=list)
    """What no stream tells of: outliers, rejected and soft-failed events, history (which has its positions already).
    Stored before `events`."""
    replayed: list[Appended] = field(default_factory=list)
    """Events with rows whose place in the graph and verdict are other ones now."""
    placed: set[int] = field(default_factory=set)
    """The numbers of those of `events` and `quiet` that were outliers: they have rows already."""
    superseded: list[tuple[StoredEvent, StoredEvent]] = field(default_factory=list)
    """Memberships from before this server was in the room, and the same events now that it is: with new numbers, which
    are greater than those of their auth events, and without the places that they had."""
    current: list[CurrentEntry] = field(default_factory=list)
    members: list[MembershipChange] = field(default_factory=list)
    states: list[StateRows] = field(default_factory=list)
    redactions: list[tuple[StoredEvent, StoredEvent]] = field(default_factory=list)
    """`(target, redaction)`."""
    early_redactions: list[tuple[str, StoredEvent]] = field(default_factory=list)
    """`(id of a target that has not come yet, redaction)`."""
    arrived_targets: list[str] = field(default_factory=list)
    """Ids of events for which redactions have waited."""
    gaps: list[tuple[str, StoredEvent]] = field(default_factory=list)
    """`(id of a missing event, event that cites it)`."""
    closed_gaps: list[str] = field(default_factory=list)
    """Ids of events that were missing."""
    is_from_elsewhere: bool = False
    """Whether it is about events that this server has not made: nothing of others has `quiet` or `placed` events, loses
    entries of its state, or has loose ends."""
    txns: list[tuple[int, int, str, str, bytes, int]] = field(default_factory=list)
    new_room: tuple[int, str, str, str, int] | None = None
    also: list[Callable[[Tx], Awaitable[None]]] = field(default_factory=list)
    """Further statements of the same transaction."""
    redescribe: bool = False
    """Whether more of its state than `events` say may have changed."""
    described: DescribedState | None = None
    """What the room's description is to be made from, if it changes."""
    head: RoomRow | None = None
    related: list[RelationRow] = field(default_factory=list)
    """What its events relate to; filled in when it is submitted."""
    unrelated: list[RelationRow] = field(default_factory=list)
    """The relations of events that its redactions end; filled in when it is submitted."""
    partial_ids: list[str] = field(default_factory=list)
    """Ids of those of its events whose state is partial."""
    ends_partial: PartialRoom | None = None
    """Set if the room is not partial any more with this."""
    makes_full: StoredEvent | None = None
    """Set if that is so because its full state is here: stands for a place in the stream, which it is given."""
    is_bulk: bool = False
    """Whether its `quiet` events are some of very many, which are not to drive others out of memory."""
    sends: bool = True
    """Whether events of local users in it are for this server to send to others."""
    done: asyncio.Future[None] | None = None

    def all_events(self) -> Iterable[Appended]:
        """Everything, in the order in which it is stored."""
        return (*self.quiet, *self.events) if self.quiet else self.events

    def shown(self) -> Iterable[Appended]:
        """What clients can see: what is new, and what is old and came late."""
        if not self.quiet:
            return self.events
        return [entry for entry in self.all_events() if entry.stored.pos is not None]


Listener = Callable[[Sequence[Append]], None]
"""Called on the event loop after each commit, with what it added, in the order of the stream."""
Step = Callable[[Tx, Sequence[Append]], Awaitable[None]]


class RoomSpoilt(DatabaseError):
    """The room changed in memory in a way that could not be stored; it has to be loaded again."""


class Appender:
    """One a process. `run` must be running for submissions to be served."""

    def __init__(
        self,
        *,
        db: Database,
        keys: StateKeys,
        cache: EventCache,
        last_event_nid: int,
        last_stream_pos: int,
        forget_on_leave: bool = False,
    ) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._next_nid = last_event_nid + 1
        self._forgetting = frozenset((LEAVE, BAN)) if forget_on_leave else frozenset[int]()
        self.stream_pos = last_stream_pos
        """The greatest position given out."""
        self.committed_pos = last_stream_pos
        """Everything up to here is durable and has been announced."""
        self._waiting: list[Append] = []
        self._committing: list[Append] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self.listeners: list[Listener] = []
        self.steps: list[Step] = []
        """Further statements of each transaction."""
        self.on_spoilt: Callable[[Room], None] = lambda room: None

    def reserve_nid(self) -> int:
        """A number for an event that is being built."""
        nid = self._next_nid
        self._next_nid = nid + 1
        return nid

    def submit(self, append: Append) -> asyncio.Future[None]:
        """Give the events their positions and queue them; the future is done when they are durable.

        Fails with `DatabaseError`. Do not cancel it: others may wait for the same commit.
        """
        room = append.room
        if room.spoilt:
            raise RoomSpoilt(room.room_id)
        for appended in append.events:
            self.stream_pos += 1
            appended.stored.pos = self.stream_pos << POS_BITS
        append.related = _relation_rows(entry.stored for entry in append.shown())
        append.unrelated = _relation_rows(target for target, _ in append.redactions)
        append.described = state_to_describe(
            room,
            (entry.stored for entry in append.events),
            (target for target, _ in append.redactions),
            anew=append.redescribe,
        )
        if append.makes_full is not None:
            self.stream_pos += 1
            append.makes_full.pos = self.stream_pos << POS_BITS
        if append.events or append.makes_full is not None:
            room.last_pos = self.stream_pos << POS_BITS
        if append.partial_ids:
            marks = [(room.room_id, event_id) for event_id in append.partial_ids]
            append.also.append(bound(partial_state.insert_events, rows=marks))
        room.pending += 1
        append.head = room.head() if room.has_head else None
        append.done = room.last_append = asyncio.get_running_loop().create_future()
        self._waiting.append(append)
        self._wake.set()
        return append.done

    def unstored_relations(self, room: Room) -> Iterable[RelationRow]:
        """The relations that have been submitted for a room and that the database may not know yet."""
        for append in (*self._committing, *self._waiting):
            if append.room is room:
                yield from append.related

    async def run(self) -> None:
        """Commit what is submitted, until `stop`."""
        while not self._stopping or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._committing, self._waiting = self._waiting, []
                await self._commit(self._committing)
                self._committing = []

    def stop(self) -> None:
        """Let `run` return once everything that has been submitted is committed."""
        self._stopping = True
        self._wake.set()

    async def _commit(self, batch: list[Append]) -> None:
        stored = [append for append in batch if not append.room.spoilt]
        for append in batch:
            if append.room.spoilt:
                self._fail(append, RoomSpoilt(append.room.room_id))
        try:
            await self._store(stored)
        except Exception as failure:  # noqa: BLE001  # whatever it was, every writer of the batch is told
            error = failure if isinstance(failure, DatabaseError) else DatabaseError(repr(failure))
            if len(stored) == 1:
                self._spoil(stored[0], error)
                return
            logger.warning("A group of %d writes failed; trying each alone", len(stored))
            for append in stored:
                await self._commit([append])
            return
        self._announce(stored)

    async def _store(self, batch: list[Append]) -> None:
        """One transaction: a statement a table, whatever the number of appends."""
        async with self._db.write() as tx:
            await rooms.insert(tx, [append.new_room for append in batch if append.new_room])
            await state_keys.insert(tx, self._keys.pending_rows(_key_ids(batch)))
            superseded = [(old, new) for append in batch for old, new in append.superseded]
            if superseded:
                await events.delete(tx, [old.event_nid for old, _ in superseded])
                await rooms.renumber_memberships(tx, _renumbered(superseded))
            await events.insert(tx, _event_rows(batch))
            await state_history.insert(tx, [state for append in batch for state in append.states])
            await rooms.save_current(tx, _current_rows(batch))
            await rooms.save_memberships(tx, _membership_rows(batch, self._forgetting))
            heads = {append.room.room_nid: append.head for append in batch if append.head}
            await rooms.save_heads(tx, heads.values())
            await room_descriptions.save(tx, _descriptions(batch))
            await events.mark_redacted(
                tx, [(target.event_nid, by.event_nid) for append in batch for target, by in append.redactions]
            )
            await relations.insert(tx, [row for append in batch for row in append.related])
            await relations.delete(
                tx, [(row.room_nid, row.parent_id, row.pos) for append in batch for row in append.unrelated]
            )
            await event_txns.insert(tx, [txn for append in batch for txn in append.txns])
            if any(append.is_from_elsewhere for append in batch):
                await _store_what_came(tx, batch)
            for step in self.steps:
                await step(tx, batch)
            for append in batch:
                for statement in append.also:
                    await statement(tx)

    def _announce(self, batch: list[Append]) -> None:
        for append in batch:
            append.room.pending -= 1
            for target, redaction in append.redactions:
                self._prune(append.room, target, redaction)
            for old, _ in append.superseded:
                self._cache.drop(old.event_nid)
            kept = append.events if append.is_bulk else append.all_events()
            for entry in (*append.replayed, *kept):
                self._cache.add(entry.stored)
            for entry in append.events:
                self.committed_pos = max(self.committed_pos, entry.stored.stream_pos)
            if append.makes_full is not None:
                self.committed_pos = max(self.committed_pos, append.makes_full.stream_pos)
            if append.states:
                append.room.history.committed(append.states[-1].last_state_no)
        self._keys.stored(_key_ids(batch))
        for listener in self.listeners:
            try:
                listener(batch)
            except Exception:
                # What is durable is durable: the senders must be told so whatever becomes of the news.
                logger.exception("A listener of the appender has failed")
        for append in batch:
            if append.done is not None and not append.done.done():
                append.done.set_result(None)

    def _prune(self, room: Room, target: StoredEvent, redaction: StoredEvent) -> None:
        """Apply a redaction to every copy of the event in memory: the caches may have loaded it at different times."""
        copies = [target, self._cache.peek(target.event_nid), room.held(target.event)]
        pruned = redact_event(target.event)
        for copy in copies:
            if copy is not None:
                copy.event = pruned
                copy.redacted_by = redaction.event_nid

    def _spoil(self, append: Append, error: DatabaseError) -> None:
        if not append.room.spoilt:
            append.room.spoilt = True
            self.on_spoilt(append.room)
        logger.error("Could not store events of %s: %s", append.room.room_id, error, exc_info=error)
        self._fail(append, error)

    def _fail(self, append: Append, error: DatabaseError) -> None:
        append.room.pending -= 1
        if append.done is not None and not append.done.done():
            append.done.set_exception(error)


def _relation_rows(events: Iterable[StoredEvent]) -> list[RelationRow]:
    return [row for stored in events if (row := relation_row(stored)) is not None]


def _key_ids(batch: Iterable[Append]) -> list[int]:
    return [entry.stored.key_id for append in batch for entry in append.all_events() if entry.stored.key_id is not None]


def _event_rows(batch: Iterable[Append]) -> list[tuple[StoredEvent, bytes]]:
    """What has no rows yet."""
    return [
        (entry.stored, entry.auth)
        for append in batch
        for entry in append.all_events()
        if entry.stored.event_nid not in append.placed
    ]


def _renumbered(superseded: Iterable[tuple[StoredEvent, StoredEvent]]) -> list[tuple[int, int, int, int]]:
    return [(old.key_id or 0, old.room_nid, old.event_nid, new.event_nid) for old, new in superseded]


async def _store_what_came(tx: Tx, batch: Sequence[Append]) -> None:
    """What there is to store beside of events that this server has not made."""
    placed = [
        (entry.stored, entry.auth)
        for append in batch
        for entry in (*append.replayed, *append.all_events())
        if entry.stored.event_nid in append.placed
    ]
    await events.place(tx, placed)
    newest = {(append.room.room_nid, entry.key_id): entry for append in batch for entry in append.current}
    await rooms.remove_current(tx, [key for key, entry in newest.items() if not entry.event_nid])
    gaps = [(append.room.room_nid, event_id, by.event_nid) for append in batch for event_id, by in append.gaps]
    await backward_extremities.insert(tx, gaps)
    closed = [(append.room.room_nid, event_id) for append in batch for event_id in append.closed_gaps]
    await backward_extremities.delete(tx, closed)
    early = [(append.room.room_nid, target, by.event_nid) for append in batch for target, by in append.early_redactions]
    await waiting_redactions.insert(tx, early)
    arrived = [(append.room.room_nid, target) for append in batch for target in append.arrived_targets]
    await waiting_redactions.delete(tx, arrived)


def _descriptions(batch: Sequence[Append]) -> list[tuple[int, RoomDescription]]:
    newest = {append.room.room_nid: append.described for append in batch if append.described is not None}
    redacted = {target.event_nid: target for append in batch for target, _ in append.redactions} if newest else {}
    return [(room_nid, describe_stored(state, redacted)) for room_nid, state in newest.items()]


def _current_rows(batch: Iterable[Append]) -> list[tuple[int, int, int, int | None]]:
    newest = {(append.room.room_nid, entry.key_id): entry for append in batch for entry in append.current}
    return [
        (room_nid, key_id, entry.event_nid, entry.membership)
        for (room_nid, key_id), entry in newest.items()
        if entry.event_nid
    ]


def _membership_rows(batch: Iterable[Append], forgetting: frozenset[int]) -> list[tuple[int, int, int, int, int, int]]:
    return [
        (
            change.user_nid,
            append.room.room_nid,
            change.event_nid,
            change.membership,
            change.stream_pos,
            int(change.membership in forgetting),
        )
        for append in batch
        for change in append.members
        if change.is_local
    ]
