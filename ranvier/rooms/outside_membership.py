"""Memberships of local users in rooms that this server is not in: invited, knocking, and no longer so.

Spec: server-server API, "Inviting to a room", "Knocking upon a room", "Leaving Rooms (Rejecting Invites)". The room's
history is not known here: the member event stands alone, with what the user was told about the room.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ranvier.db.engine import Tx
from ranvier.proto.events import Event
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.append import Append, Appended, Appender, MembershipChange
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.state.history import RoomHistory
from ranvier.store import rooms as store
from ranvier.store import stripped_states
from ranvier.store.events import NO_TXN, StoredEvent
from ranvier.store.rooms import LEAVE, MEMBERSHIPS


class OutsideMemberships:
    """Writes such memberships. One a process."""

    def __init__(self, *, rooms: Rooms, appender: Appender) -> None:
        self._rooms = rooms
        self._appender = appender

    async def of(self, user_id: str, room_id: str) -> tuple[str, StoredEvent] | None:
        """A local user's membership by what was last written down about them, and the event; `None` for strangers."""
        heard_of = await store.nid_of(self._rooms.db, room_id)
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        if heard_of is None or user_nid is None:
            return None
        mine = await store.membership_of(self._rooms.db, user_nid, heard_of[0])
        if mine is None:
            return None
        stored = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
        return None if stored is None else (store.MEMBERSHIP_NAMES[mine.membership], stored)

    async def save(self, event: Event, version: RoomVersion, *, state: Sequence[Mapping[str, Any]] = ()) -> StoredEvent:
        """A local user's membership is what this member event says; `state` is what they are told about the room.

        Its signatures are checked already. Returns when that is durable. Saving it again changes nothing.
        """
        async with self._rooms.entering(event.room_id):
            room, is_new = await self._room(event.room_id, version)
            async with room.lock:
                await room.settled()
                stored, done = await self._save(room, event, version, state, is_new=is_new)
            if done is not None:
                await durable(done)
        return stored

    async def _save(
        self, room: Room, event: Event, version: RoomVersion, state: Sequence[Mapping[str, Any]], *, is_new: bool
    ) -> tuple[StoredEvent, asyncio.Future[None] | None]:
        known = (await self._rooms.cache.by_id([event.event_id])).get(event.event_id)
        if known is not None and known.pos is not None:
            return known, None
        user_nid = await self._rooms.keys.intern(self._rooms.db, ("m.room.member", event.state_key or ""))
        stored = known or StoredEvent(
            event=event,
            event_nid=self._appender.reserve_nid(),
            room_nid=room.room_nid,
            pos=None,
            state_before=None,
            key_id=user_nid,
            replaces=None,
            auth_depth=1,
            txn=NO_TXN,
        )
        before = await store.membership_of(self._rooms.db, user_nid, room.room_nid)

        async def save_state(tx: Tx) -> None:
            if state:
                await stripped_states.save(tx, user_nid, room.room_nid, orjson.dumps(list(state)))
            else:
                await stripped_states.delete(tx, user_nid, room.room_nid)

        append = Append(
            room=room,
            events=[Appended(stored=stored, auth=b"")],
            also=[save_state],
            is_from_elsewhere=True,
            sends=False,
        )
        if known is not None:
            append.placed.add(stored.event_nid)
        if is_new:
            append.new_room = (room.room_nid, room.room_id, version.identifier, event.sender, 0)
        elif not room.has_head:
            append.also.append(lambda tx: store.correct(tx, room.room_nid, version.identifier, event.sender))
        append.members.append(
            MembershipChange(
                user_id=event.state_key or "",
                user_nid=user_nid,
                event_nid=stored.event_nid,
                membership=MEMBERSHIPS.get(event.membership or "", LEAVE),
                previous=None if before is None else before.membership,
                is_local=True,
                by=stored,
            )
        )
        return stored, self._appender.submit(append)

    async def _room(self, room_id: str, version: RoomVersion) -> tuple[Room, bool]:
        """The room, perhaps one without a head, and whether it has no row yet."""
        room = await self._rooms.find(room_id)
        if room is not None:
            return room, False
        heard_of = await store.nid_of(self._rooms.db, room_id)
        room_nid = self._rooms.new_nid() if heard_of is None else heard_of[0]
        history = await RoomHistory.load(self._rooms.db, 0, cache=self._rooms.layers)
        room = Room(room_nid=room_nid, room_id=room_id, version=version, history=history)
        room.has_head = False
        self._rooms.cache.know_room(room_nid, version)
        return room, heard_of is None
