"""Which state of a room a user may read: the only door to a room's state for clients.

Spec: client-server API, "Getting events for a room": members see the current state, former members the state as it was
when they left, everyone that of a world-readable room.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier.proto.errors import forbidden
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import Membership


@dataclass(frozen=True, slots=True)
class Now:
    """The user may read the current state."""

    room: Room


@dataclass(frozen=True, slots=True)
class Until:
    """The user may read the state after `last`, the event that ended their membership."""

    room: Room
    last: StoredEvent

    @property
    def changed(self) -> Mapping[int, int]:
        """What `last` itself changes on the state before it: `key_id -> event_nid`."""
        return {} if self.last.key_id is None else {self.last.key_id: self.last.event_nid}


class Access:
    """Decides who may read what."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def own_membership(self, user_id: str, room: Room) -> Membership | None:
        """A local user's relation to a room; forgotten rooms count as never known."""
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        if user_nid is None:
            return None
        mine = await store.membership_of(self._rooms.db, user_nid, room.room_nid)
        return None if mine is None or mine.forgotten else mine

    async def to_state(self, user_id: str, room_id: str) -> Now | Until:
        """Raises 403 `M_FORBIDDEN` if the user was never in the room (the same for rooms that do not exist)."""
        room = await self._rooms.find(room_id)
        if room is None:
            raise forbidden("You are not in this room")
        if await self._rooms.membership(room, user_id) == "join":
            return Now(room)
        if room.content("m.room.history_visibility").get("history_visibility") == "world_readable":
            return Now(room)
        mine = await self.own_membership(user_id, room)
        member = None if mine is None else await self._rooms.member(room, user_id)
        end = None if member is None else await self.end_of_stay(member)
        if end is not None:
            return Until(room, end)
        raise forbidden("You are not in this room")

    async def end_of_stay(self, member: StoredEvent) -> StoredEvent | None:
        """The event that ended the user's last time in the room; `None` if they have never been in it.

        `member` is their newest member event. What came after the end (a ban, another invitation) does not count.
        """
        end = member
        while end.event.membership != "join":
            if end.replaces is None:
                return None
            before = (await self._rooms.cache.get([end.replaces])).get(end.replaces)
            if before is None:
                return None
            if before.event.membership == "join":
                return end
            end = before
        return None
