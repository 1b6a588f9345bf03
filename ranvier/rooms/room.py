"""A room in memory, as its one writer knows it.

What a send needs is here: the forward extremities, the state without members, the members met so far. Everything that
changes a room happens while holding `lock`; what has been changed in memory and could not be stored makes the room
*spoilt*, and it is loaded again.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.state.history import RoomHistory
from ranvier.state.resolver import Resolver
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import INVITE, JOIN, MEMBERSHIPS, RoomRow

MEMBERS_REMEMBERED: Final = 4096
EXTREMITY_LIMIT: Final = 20
"""The most `prev_events` an event may have."""


class Room:
    """One active room. `rooms.Rooms` makes and finds them."""

    __slots__ = (
        "_members",
        "extremities",
        "has_head",
        "history",
        "invited_members",
        "joined_members",
        "last_append",
        "last_pos",
        "lock",
        "partial",
        "pending",
        "resolver",
        "room_id",
        "room_nid",
        "spoilt",
        "state",
        "state_no",
        "version",
    )

    def __init__(
        self,
        *,
        room_nid: int,
        room_id: str,
        version: RoomVersion,
        history: RoomHistory,
        extremities: Iterable[StoredEvent] = (),
        state: Mapping[StateKey, StoredEvent] | None = None,
        state_no: int = 0,
        last_pos: int = 0,
        joined_members: int = 0,
        invited_members: int = 0,
    ) -> None:
        self.room_nid = room_nid
        self.room_id = room_id
        self.version = version
        self.history = history
        self.extremities = list(extremities)
        self.state: dict[StateKey, StoredEvent] = dict(state or {})
        """The current state without members."""
        self.state_no = state_no
        """The number of the state after all extremities."""
        self.last_pos = last_pos
        self.joined_members = joined_members
        self.invited_members = invited_members
        self.lock = asyncio.Lock()
        self.spoilt = False
        self.pending = 0
        """How many appends have been submitted and are not durable yet: until they are, only this object knows."""
        self.last_append: asyncio.Future[None] | None = None
        """The newest append: when it is durable, so are all before it."""
        self.has_head = True
        """False for a room that this server is not in and has only heard of."""
        self.partial: PartialRoom | None = None
        """Set while not every member is known: what stands in `state` does, of the members some may be missing."""
        self.resolver: Resolver | None = None
        """Made by `rooms.graph` when branches meet."""
        self._members: dict[str, StoredEvent | None] = {}

    def head(self) -> RoomRow:
        """The room's tip as a row."""
        return RoomRow(
            room_nid=self.room_nid,
            room_id=self.room_id,
            room_version=self.version.identifier,
            extremities=tuple(stored.event_nid for stored in self.extremities),
            state_no=self.state_no,
            last_pos=self.last_pos,
            joined_members=self.joined_members,
            invited_members=self.invited_members,
        )

    def content(self, type_: str, state_key: str = "") -> Mapping[str, object]:
        """The content of a state entry that is not a member; empty if there is none."""
        stored = self.state.get((type_, state_key))
        return {} if stored is None else stored.event.content

    def knows_member(self, user_id: str) -> bool:
        """Whether `get_stored` can answer for this user."""
        return user_id in self._members

    def remember_member(self, user_id: str, stored: StoredEvent | None) -> None:
        """What the database says of a user's membership."""
        if len(self._members) >= MEMBERS_REMEMBERED and self.idle:
            del self._members[next(iter(self._members))]
        self._members[user_id] = stored

    async def settled(self) -> None:
        """Wait until the database knows everything that has been submitted. Raises `DatabaseError` if it refused."""
        if self.pending and self.last_append is not None:
            await asyncio.shield(self.last_append)

    @property
    def idle(self) -> bool:
        """Whether the database knows everything that this object does, and nobody is changing it."""
        return self.pending == 0 and not self.lock.locked()

    def get_stored(self, key: StateKey) -> StoredEvent | None:
        """An entry of the current state; members only after `remember_member`."""
        if key[0] == "m.room.member":
            return self._members[key[1]]
        return self.state.get(key)

    def get(self, key: StateKey) -> Event | None:
        """The same as an event: what the auth rules read."""
        stored = self.get_stored(key)
        return None if stored is None else stored.event

    def held(self, event: Event) -> StoredEvent | None:
        """This room's own copy of a state event that is in force and in memory."""
        if event.key is None:
            return None
        stored = self._members.get(event.key[1]) if event.key[0] == "m.room.member" else self.state.get(event.key)
        return stored if stored is not None and stored.event.event_id == event.event_id else None

    def membership(self, user_id: str) -> str:
        """A remembered user's membership, `leave` for strangers."""
        stored = self._members[user_id]
        return "leave" if stored is None else stored.event.membership or "leave"

    def advance(self, stored: StoredEvent, state_no: int) -> tuple[int | None, int | None]:
        """The event has become the only extremity and `state_no` the state after it.

        Returns the member's previous and new membership as numbers, `(None, None)` if it is no member event.
        """
        self.extremities = [stored]
        self.state_no = state_no
        return (None, None) if stored.event.key is None else self.set_entry(stored.event.key, stored)

    def set_entry(self, key: StateKey, stored: StoredEvent | None) -> tuple[int | None, int | None]:
        """An entry of the current state has become this, `None` if there is none any more; returns as `advance`.

        Of a member, what stood there before must have been remembered.
        """
        if key[0] != "m.room.member":
            if stored is None:
                self.state.pop(key, None)
            else:
                self.state[key] = stored
            return None, None
        before = self._members.get(key[1])
        old = None if before is None else MEMBERSHIPS.get(before.event.membership or "")
        new = None if stored is None else MEMBERSHIPS.get(stored.event.membership or "")
        self.joined_members += (new == JOIN) - (old == JOIN)
        self.invited_members += (new == INVITE) - (old == INVITE)
        self.remember_member(key[1], stored)
        return old, new

    def forget_members(self) -> None:
        """What is remembered of members does not hold any more."""
        self._members.clear()

    def begin(self, last: StoredEvent, state: Iterable[StoredEvent], state_no: int) -> None:
        """The room is this from now on: `last` the only extremity, `state` all of the state after it."""
        self.extremities = [last]
        self.state_no = state_no
        self.state = {}
        self._members = {}
        self.joined_members = self.invited_members = 0
        for stored in state:
            key = stored.event.key
            if key is None:
                continue
            if key[0] != "m.room.member":
                self.state[key] = stored
                continue
            self.joined_members += stored.event.membership == "join"
            self.invited_members += stored.event.membership == "invite"
            if len(self._members) < MEMBERS_REMEMBERED:
                self._members[key[1]] = stored
