"""Moving a room's head: its extremities, its present state, and what that changes for whom."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ranvier.proto.events import StateKey
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import CurrentEntry, MembershipChange
from ranvier.rooms.description import DESCRIBED
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.resolver import Unstored
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import LEAVE, MEMBERSHIPS
from ranvier.store.state_keys import MEMBER_KEYS


@dataclass(slots=True)
class HeadChanges:
    """What has to be stored and told."""

    current: list[CurrentEntry] = field(default_factory=list)
    members: list[MembershipChange] = field(default_factory=list)
    redescribe: bool = False
    """Whether what the room looks like from outside may have changed."""


class Head:
    """One room's head, in memory; under the room's lock."""

    def __init__(self, *, rooms: Rooms, room: Room, server_name: str) -> None:
        self._rooms = rooms
        self._room = room
        self._server_name = server_name

    async def follow(self, stored: StoredEvent) -> HeadChanges:
        """The event stands on all the room had: it changes what it sets, and nothing else."""
        room = self._room
        changes = HeadChanges()
        if stored.event.key is not None:
            await self._set(changes, stored.event.key, stored.key_id or 0, stored, by=stored)
        room.extremities = [stored]
        room.state_no = stored.state_before or 0 if stored.state_after is None else stored.state_after
        return changes

    async def move(
        self,
        by: StoredEvent,
        extremities: Sequence[StoredEvent],
        state_no: int,
        unstored: Unstored,
    ) -> HeadChanges:
        """With the event `by` these are the extremities, and `state_no` is the number of their states' resolution."""
        room = self._room
        changes = HeadChanges()
        difference = await room.history.difference(room.state_no, state_no)
        nids = [after for _, after in difference.values() if after]
        events = {nid: unstored[nid][0] for nid in nids if nid in unstored}
        events |= await self._rooms.cache.get([nid for nid in nids if nid not in events])
        gone = [key_id for key_id, (_, after) in difference.items() if not after]
        keys = await self._rooms.keys.keys(self._rooms.db, gone) if gone else {}
        for key_id, (_, after) in difference.items():
            stored = events.get(after)
            key = keys.get(key_id) if stored is None else stored.event.key
            if key is not None:
                await self._set(changes, key, key_id, stored, by=by)
                changes.redescribe |= key in DESCRIBED
        room.extremities = list(extremities)
        room.state_no = state_no
        return changes

    async def begin(self, by: StoredEvent, state: Collection[StoredEvent], state_no: int) -> HeadChanges:
        """The room begins anew with `by`, the only extremity: its state, `state_no`, consists of these events.

        Told are changes of local users only: whoever comes in now has not known the others.
        """
        room, rooms = self._room, self._rooms
        changes = HeadChanges(redescribe=True)
        difference = await room.history.difference(room.state_no, state_no)
        changes.current += [CurrentEntry(key_id, 0, None) for key_id, (_, after) in difference.items() if not after]
        local = [stored for stored in state if self._is_local_member(stored)]
        before = {stored.event_nid: await rooms.member(room, stored.event.state_key or "") for stored in local}
        room.begin(by, state, state_no)
        for stored in state:
            if stored.key_id is not None:
                membership = MEMBERSHIPS.get(stored.event.membership or "") if stored.key_id >= MEMBER_KEYS else None
                changes.current.append(CurrentEntry(stored.key_id, stored.event_nid, membership))
        for stored in local:
            previous = before[stored.event_nid]
            if stored.key_id is not None and (previous is None or previous.event_nid != stored.event_nid):
                changes.members.append(
                    MembershipChange(
                        user_id=stored.event.state_key or "",
                        user_nid=stored.key_id,
                        event_nid=stored.event_nid,
                        membership=MEMBERSHIPS.get(stored.event.membership or "", LEAVE),
                        previous=None if previous is None else MEMBERSHIPS.get(previous.event.membership or ""),
                        is_local=True,
                        by=by,
                    )
                )
        return changes

    def _is_local_member(self, stored: StoredEvent) -> bool:
        key = stored.event.key
        return key is not None and key[0] == "m.room.member" and domain_of(key[1]) == self._server_name

    async def _set(
        self, changes: HeadChanges, key: StateKey, key_id: int, stored: StoredEvent | None, *, by: StoredEvent
    ) -> None:
        room = self._room
        is_member = key[0] == "m.room.member"
        if is_member:
            await self._rooms.member(room, key[1])
        old, new = room.set_entry(key, stored)
        changes.current.append(CurrentEntry(key_id, 0 if stored is None else stored.event_nid, new))
        if is_member:
            changes.members.append(
                MembershipChange(
                    user_id=key[1],
                    user_nid=key_id,
                    event_nid=by.event_nid if stored is None else stored.event_nid,
                    membership=new or LEAVE,
                    previous=old,
                    is_local=domain_of(key[1]) == self._server_name,
                    by=by,
                )
            )
