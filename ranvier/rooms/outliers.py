"""Events that are known without their place in the room's history: auth chains, and states that other servers told.

Spec: server-server API, "Checks performed on receipt of a PDU", check 4: they are judged by their own auth events.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_auth_events, check_event
from ranvier.proto.auth.state import CREATE
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.events import Event, StateKey
from ranvier.rooms.append import Append, Appended, Appender
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.store.events import ACCEPTED, NO_TXN, REJECTED, StoredEvent, encode_auth

BREATH: Final = 64
"""After so many events that are judged the event loop may do something else: some may be of tens of kilobytes."""


class Outliers:
    """Makes and stores outliers."""

    def __init__(self, *, rooms: Rooms, appender: Appender) -> None:
        self._rooms = rooms
        self._appender = appender
        appender.listeners.append(self._on_commit)

    async def store(
        self,
        room: Room,
        events: Sequence[Event],
        *,
        badly_authorised: frozenset[str] = frozenset(),
        is_bulk: bool = False,
        all_known: AbstractSet[str] | None = None,
    ) -> dict[str, StoredEvent]:
        """Store these events (signatures and hashes are checked already), and find those that are known.

        Left out are events whose auth events are neither known nor among them. `badly_authorised` are joins that the
        server of the authorising user has not signed. `is_bulk`: they are some of very many. `all_known`: the only ones of
        them that can be known.
        """
        async with room.lock:
            await room.settled()
            append = Append(room=room, events=[], is_from_elsewhere=True, sends=False, is_bulk=is_bulk)
            found = await self.make(room, events, append, badly_authorised=badly_authorised, all_known=all_known)
            done = self._appender.submit(append) if append.quiet else None
        if done is not None:
            await durable(done)
        return found

    async def make(
        self,
        room: Room,
        events: Sequence[Event],
        append: Append,
        *,
        badly_authorised: frozenset[str] = frozenset(),
        all_known: AbstractSet[str] | None = None,
    ) -> dict[str, StoredEvent]:
        """As `store`, but put them into `append.quiet`; under the room's lock."""
        by_id = {event.event_id: event for event in events}
        cited = {event_id for event in events for event_id in event.auth_events}
        own = by_id.keys() if all_known is None else by_id.keys() & all_known
        known = await self._rooms.cache.by_id(list(own | (cited - by_id.keys())))
        here = {event_id: stored for event_id, stored in known.items() if stored.room_nid == room.room_nid}
        found = {event_id: stored for event_id, stored in here.items() if not stored.is_outside}
        create = await self._create(room, found, events)
        fresh = [event for event in events if event.event_id not in found and event.type == "m.room.member"]
        await self._rooms.keys.intern_users(
            self._rooms.db, {event.state_key for event in fresh if event.state_key is not None}
        )
        if len(events) > BREATH:
            await asyncio.sleep(0)
        for number, event in enumerate(ancestors_first(by_id, lambda event: event.auth_events), 1):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            if event.event_id in found or any(event_id not in found for event_id in event.auth_events):
                continue
            auth = [found[event_id] for event_id in event.auth_events]
            signed = event.event_id not in badly_authorised
            status = judge_by_auth_events(event, auth, create, authoriser_signed=signed)
            stored = await self.unplaced(room, event, auth, status)
            found[event.event_id] = stored
            if event.event_id in here:
                append.superseded.append((here[event.event_id], stored))
            append.quiet.append(Appended(stored=stored, auth=encode_auth(stored.event_nid, _numbers(auth))))
        return {event_id: stored for event_id, stored in found.items() if event_id in by_id}

    def _on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender: keep up what is known of partially joined rooms, but for the bulk of their states."""
        for append in batch:
            partial = None if append.is_bulk else self._rooms.partials.of(append.room.room_nid)
            if partial is not None and partial.begun_with is not None:
                partial.begun_with.update(entry.stored.event.event_id for entry in append.all_events())

    async def unplaced(self, room: Room, event: Event, auth: Sequence[StoredEvent], status: int) -> StoredEvent:
        """The event with a number of its own, and no place yet."""
        key = event.key
        return StoredEvent(
            event=event,
            event_nid=self._appender.reserve_nid(),
            room_nid=room.room_nid,
            pos=None,
            state_before=None,
            key_id=None if key is None else await self._rooms.keys.intern(self._rooms.db, key),
            replaces=None,
            status=status,
            auth_depth=1 + max((stored.auth_depth for stored in auth), default=0),
            txn=NO_TXN,
        )

    async def _create(self, room: Room, found: Mapping[str, StoredEvent], events: Iterable[Event]) -> Event | None:
        standing = room.state.get(CREATE)
        if standing is not None:
            return standing.event
        return next((event for event in events if event.key == CREATE), None)


def judge_by_auth_events(
    event: Event, auth: Sequence[StoredEvent], create: Event | None, *, authoriser_signed: bool
) -> int:
    """Check 4: the status of an event as far as its own auth events decide it."""
    state: dict[StateKey, Event] = {key: stored.event for stored in auth if (key := stored.event.key) is not None}
    if event.version.domainless_room_ids and create is not None:
        state[CREATE] = create
    cited = [stored.event for stored in auth]
    rejected = [stored.event.event_id for stored in auth if stored.status == REJECTED]
    try:
        check_auth_events(event, cited, rejected=rejected.__contains__)
        check_event(event, state, authoriser_signed=authoriser_signed)
    except AuthError:
        return REJECTED
    return ACCEPTED


def _numbers(events: Iterable[StoredEvent]) -> list[int]:
    return [stored.event_nid for stored in events]
