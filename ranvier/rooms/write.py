"""Writing local events into a room: the one road every local change takes.

Inside the room's lock: choose the auth events, build and sign, check the auth rules, move the room's head in memory,
submit to the appender. Outside it: wait until that is durable. In a room that is active this reads nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final, Protocol

from ranvier.db.engine import DatabaseError, Tx
from ranvier.ports import Clock, Random
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.redaction import user_may_redact
from ranvier.proto.auth.rules import check_event, redaction_allowed
from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.canonical_json import encode_lenient as encode
from ranvier.proto.errors import MatrixError, bad_json, forbidden
from ranvier.proto.event_build import build_event
from ranvier.proto.event_format import EventTooLarge, InvalidEvent
from ranvier.proto.events import Event, StateKey
from ranvier.proto.ids import domain_of
from ranvier.proto.policy import POLICY
from ranvier.proto.signing import SigningKey
from ranvier.rooms.append import Append, Appended, Appender, CurrentEntry, MembershipChange
from ranvier.rooms.partial_ends import end_with_last_leave
from ranvier.rooms.room import EXTREMITY_LIMIT, Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import NO_TXN, StoredEvent, Txn, encode_auth
from ranvier.store.rooms import LEAVE
from ranvier.usage import current_usage

MOST_AHEAD_MS: Final = 3_600_000
"""So far ahead of our clock a state event is dated at most, for one that it replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a local user wants to say; the writer adds the rest."""

    sender: str
    type: str
    content: dict[str, Any]
    state_key: str | None = None
    redacts: str | None = None
    unsigned: Mapping[str, Any] | None = None
    origin_server_ts: int | None = None
    """`None`: when it is made."""
    built: tuple[Event, list[StoredEvent]] | None = None
    """The event itself and its auth events, if `Writer.prepare` has made it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TxnRow:
    """The request behind an event, to be stored with it."""

    user_nid: int
    txn: Txn
    request: bytes

    def row(self, event_nid: int, ts: int) -> tuple[int, int, str, str, bytes, int]:
        """What is stored of it beside the event."""
        return event_nid, self.user_nid, self.txn.device_id, self.txn.txn_id, self.request, ts


Decide = Callable[[Room], Awaitable[Sequence[Draft]]]
"""Decides under the room's lock what to write."""


class Policing(Protocol):
    """Rooms in which another server has a say about every event before it is sent (`m.room.policy`)."""

    async def applies_to(self, room: Room) -> bool:
        """Whether this is such a room."""
        ...

    async def signed(self, room: Room, event: Event) -> Event:
        """The event as it may be sent. Raises `MatrixError` if it may not."""
        ...

    async def write(self, room_id: str, draft: Draft, *, state_no: int, txn: TxnRow | None) -> StoredEvent:
        """Write a prepared event once it may be sent; `state_no` is the state that it was made in. Raises as `signed`."""
        ...


class Writer:
    """Writes local events. One a process."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        appender: Appender,
        clock: Clock,
        random: Random,
        server_name: str,
        signing_key: SigningKey,
    ) -> None:
        self._rooms = rooms
        self._appender = appender
        self._clock = clock
        self._random = random
        self.server_name = server_name
        self._signing_key = signing_key
        self.tidy: Callable[[str], Awaitable[object]] = _leave_as_it_is
        """Joins the ends of a room that has more than an event may cite."""
        self.policing: Policing | None = None
        """Asks policy servers; `None` without federation."""

    async def write(
        self, room_id: str, decide: Decide | Sequence[Draft], *, txn: TxnRow | None = None
    ) -> list[StoredEvent]:
        """Write what `decide` says, all or nothing; returns when it is durable.

        A state event that would change nothing is not written: the one that stands is returned. Raises 403
        `M_FORBIDDEN` when an auth rule forbids it, 400 or 413 when an event is malformed or too large, 404 for an
        unknown room. Where a policy server has to agree, what it says; of several drafts each is written alone then.
        """
        while True:
            room = await self._rooms.get(room_id)
            if len(room.extremities) > EXTREMITY_LIMIT:
                await self.tidy(room_id)
            async with room.lock:
                if room.spoilt:
                    continue
                drafts = await decide(room) if callable(decide) else decide
                policing = await self._policing(room) if drafts and POLICY in room.state else None
                if policing is None:
                    stored, done = await self.write_locked(room, drafts, txn=txn)
                else:
                    prepared = [await self._prepare_unless_standing(room, draft) for draft in drafts]
                    state_no = room.state_no
            break
        if policing is not None:
            return [
                one if isinstance(one, StoredEvent) else await policing.write(room_id, one, state_no=state_no, txn=txn)
                for one in prepared
            ]
        if done is not None:
            await durable(done)
        return stored

    def now_ms(self) -> int:
        """What events that are made now say of the time."""
        return self._clock.now_ms()

    async def _policing(self, room: Room) -> Policing | None:
        """Who has a say in this room."""
        if self.policing is None or POLICY not in room.state or not await self.policing.applies_to(room):
            return None
        return self.policing

    async def policed(self, room: Room, draft: Draft) -> Draft:
        """The draft with its event as it may be sent, where a policy server has a say; under the room's lock.

        For what is written together with something else: the room waits. Raises what `write` raises.
        """
        policing = await self._policing(room)
        if policing is None:
            return draft
        event, auth = draft.built or self._build(room, draft)
        return replace(draft, built=(await policing.signed(room, event), auth))

    async def write_locked(
        self,
        room: Room,
        drafts: Sequence[Draft],
        *,
        txn: TxnRow | None = None,
        new_room: bool = False,
        is_public: bool = False,
        also: Sequence[Callable[[Tx], Awaitable[None]]] = (),
    ) -> tuple[list[StoredEvent], asyncio.Future[None] | None]:
        """The part of `write` under the lock. If it raises after a change in memory, the room is dropped."""
        append = Append(room=room, events=[], also=list(also))
        partial = room.partial
        result = []
        try:
            for draft in drafts:
                await self._meet_members(room, draft)
                standing = None if draft.state_key is None else _standing(room, draft)
                if standing is not None:
                    result.append(standing)
                    continue
                is_partial = partial is not None and partial.is_partial(one.event_nid for one in room.extremities)
                stored = await self._write_one(room, draft, append)
                if partial is not None and is_partial:
                    partial.events.add(stored.event_nid)
                    append.partial_ids.append(stored.event.event_id)
                result.append(stored)
            if partial is not None:
                await end_with_last_leave(self._rooms, append, self.server_name)
        except BaseException:
            if append.events:
                room.spoilt = True
                self._rooms.drop(room)
            raise
        if not append.events:
            return result, None
        if new_room:
            append.new_room = (
                room.room_nid,
                room.room_id,
                room.version.identifier,
                drafts[0].sender,
                int(is_public),
            )
        if txn is not None:
            stored = append.events[-1].stored
            stored.txn = txn.txn
            append.txns.append(txn.row(stored.event_nid, self._clock.now_ms()))
        return result, self._appender.submit(append)

    async def pretend(self, room_id: str, decide: Decide | Sequence[Draft]) -> list[str]:
        """Do everything that `write` does before anything is written: the ids that the events would have.

        For users whose words go nowhere, and who are not to notice. Raises what `write` raises.
        """
        room = await self._rooms.get(room_id)
        async with room.lock:
            drafts = await decide(room) if callable(decide) else decide
            made = [await self._prepare_unless_standing(room, draft) for draft in drafts]
        return [
            one.event.event_id if isinstance(one, StoredEvent) else one.built[0].event_id if one.built else ""
            for one in made
        ]

    async def prepare(self, room: Room, draft: Draft) -> Draft:
        """Make the event now, so that its id is known before it is written; under the room's lock, and as its next one.

        Raises what `write` raises.
        """
        await self._meet_members(room, draft)
        return replace(draft, built=self._build(room, draft))

    async def _prepare_unless_standing(self, room: Room, draft: Draft) -> Draft | StoredEvent:
        """The draft with its event, or what stands if it would change nothing."""
        await self._meet_members(room, draft)
        standing = _standing(room, draft)
        if standing is not None:
            return standing
        event, auth = self._build(room, draft)
        if event.redacts is not None:
            await self._redaction_target(room, event)
        return replace(draft, built=(event, auth))

    async def _meet_members(self, room: Room, draft: Draft) -> None:
        """Have in memory every member that the auth rules will ask for."""
        for type_, state_key in auth_types_for(room.version, draft.type, draft.sender, draft.state_key, draft.content):
            if type_ == "m.room.member" and not room.knows_member(state_key):
                await self._rooms.member(room, state_key)

    async def _write_one(self, room: Room, draft: Draft, append: Append) -> StoredEvent:
        event, auth = draft.built or self._build(room, draft)
        redacted = None if event.redacts is None else await self._redaction_target(room, event)
        stored = StoredEvent(
            event=event,
            event_nid=self._appender.reserve_nid(),
            room_nid=room.room_nid,
            pos=None,
            state_before=room.state_no,
            key_id=None,
            replaces=None,
            auth_depth=1 + max((entry.auth_depth for entry in auth), default=0),
            txn=NO_TXN,
        )
        state_no = room.state_no
        if event.key is not None:
            replaced = room.get_stored(event.key)
            stored.replaces = None if replaced is None else replaced.event_nid
            stored.key_id = await self._rooms.keys.intern(self._rooms.db, event.key)
            entry = {stored.key_id: stored.event_nid}
            derived = await room.history.derive(room.state_no, entry, replaced={stored.key_id: stored.replaces or 0})
            append.states.append(derived.rows)
            state_no = stored.state_after = derived.state_no
        if not room.room_id:
            room.room_id = event.room_id
        uncited = room.extremities[:-EXTREMITY_LIMIT]
        old, new = room.advance(stored, state_no)
        if uncited:
            room.extremities[:0] = uncited
        if redacted is not None:
            append.redactions.append((redacted, stored))
        if stored.key_id is not None:
            append.current.append(CurrentEntry(stored.key_id, stored.event_nid, new))
            if event.type == "m.room.member" and event.state_key is not None:
                append.members.append(
                    MembershipChange(
                        user_id=event.state_key,
                        user_nid=stored.key_id,
                        event_nid=stored.event_nid,
                        membership=new or LEAVE,
                        previous=old,
                        is_local=domain_of(event.state_key) == self.server_name,
                        by=stored,
                    )
                )
        auth_edges = encode_auth(stored.event_nid, (entry.event_nid for entry in auth))
        append.events.append(Appended(stored=stored, auth=auth_edges))
        return stored

    def _time_of_state(self, room: Room, key: StateKey) -> int:
        """When a state event happens: after the entry that it replaces.

        Clocks differ, and jump. Where branches meet, state resolution orders by time what nothing else orders: somebody
        who leaves and comes back in the same millisecond would have left.
        """
        now = self._clock.now_ms()
        replaced = room.get_stored(key)
        if replaced is None or not now <= replaced.event.origin_server_ts <= now + MOST_AHEAD_MS:
            return now
        return replaced.event.origin_server_ts + 1

    def _build(self, room: Room, draft: Draft) -> tuple[Event, list[StoredEvent]]:
        auth = []
        for key in auth_types_for(room.version, draft.type, draft.sender, draft.state_key, draft.content):
            entry = room.get_stored(key)
            if entry is not None:
                auth.append(entry)
        origin_server_ts = draft.origin_server_ts
        if origin_server_ts is None and draft.state_key is not None:
            origin_server_ts = self._time_of_state(room, (draft.type, draft.state_key))
        elif origin_server_ts is None:
            origin_server_ts = self._clock.now_ms()
        try:
            event = build_event(
                version=room.version,
                room_id=room.room_id or None,
                type=draft.type,
                sender=draft.sender,
                state_key=draft.state_key,
                content=draft.content,
                redacts=draft.redacts,
                unsigned=draft.unsigned,
                origin_server_ts=origin_server_ts,
                depth=1 + max((stored.event.depth for stored in room.extremities), default=0),
                prev_events=[stored.event for stored in room.extremities[-EXTREMITY_LIMIT:]],
                auth_events=[entry.event for entry in auth],
                signing_key=self._signing_key,
                server_name=self.server_name,
                random=self._random.token_bytes,
            )
        except EventTooLarge as error:
            raise MatrixError(413, "M_TOO_LARGE", str(error)) from error
        except InvalidEvent as error:
            raise bad_json(str(error)) from error
        try:
            check_event(event, room)
        except AuthError as error:
            raise forbidden(str(error)) from error
        return event, auth

    async def _redaction_target(self, room: Room, redaction: Event) -> StoredEvent | None:
        """The event to prune. Raises 404 if we do not have it and 403 if the sender may not.

        Spec: room versions, "Handling redactions".
        """
        target = (await self._rooms.cache.by_id([redaction.redacts or ""])).get(redaction.redacts or "")
        if target is None or target.room_nid != room.room_nid:
            raise MatrixError(404, "M_NOT_FOUND", "The event to redact was not found in this room")
        if target.event.type == "m.room.create":
            raise forbidden("The create event of a room cannot be redacted")
        # The room's rules let a server speak for all its users; which of them may is for us to say.
        may = user_may_redact(redaction.sender, target.event, room) and redaction_allowed(redaction, target.event, room)
        if not may:
            raise forbidden("You do not have permission to redact this event")
        return None if target.redacted_by is not None else target


async def _leave_as_it_is(room_id: str) -> None:
    return None


async def durable(done: asyncio.Future[None]) -> None:
    """Wait for a submitted append. Raises 500 `M_UNKNOWN` if it could not be stored: then nothing of it was kept.

    The transaction counts for each request that waits for it.
    """
    began = perf_counter()
    try:
        await asyncio.shield(done)
    except DatabaseError as error:
        raise MatrixError(500, "M_UNKNOWN", "The event could not be stored; try again") from error
    finally:
        if (usage := current_usage.get()) is not None:
            usage.busy_s += perf_counter() - began
            usage.transactions += 1


def _standing(room: Room, draft: Draft) -> StoredEvent | None:
    """The state event that the draft would only repeat. Whom it is about must be in memory."""
    standing = None if draft.state_key is None else room.get_stored((draft.type, draft.state_key))
    return standing if standing is not None and _changes_nothing(standing.event, draft) else None


def _changes_nothing(standing: Event, draft: Draft) -> bool:
    # As bytes: Python holds 1, 1.0 and true to be equal.
    return standing.sender == draft.sender and encode(standing.content) == encode(draft.content)
