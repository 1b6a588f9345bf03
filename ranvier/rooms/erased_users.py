"""What users said who have left for good and want to be forgotten: shown redacted to who came later.

Spec: client-server API, `POST /account/deactivate`, `erase`. Who was in the room before the request goes on seeing what
they saw. Where nobody has asked for it this costs nothing.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from ranvier.db.engine import Tx
from ranvier.proto.events import Event
from ranvier.proto.redaction import redact_event
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import erased_users as store
from ranvier.store.events import StoredEvent

REMEMBERED: Final = 10_000
"""Of so many rooms and servers it is known which came first, the server or the erasure."""


class ErasedUsers:
    """The users, in memory, each with the position of the event stream at their request."""

    def __init__(self, *, rooms: Rooms, positions: dict[str, int], stream_pos: Callable[[], int]) -> None:
        self._rooms = rooms
        self._positions = positions
        self._stream_pos = stream_pos
        self._late_servers: dict[tuple[int, str, int], bool] = {}

    @classmethod
    async def load(cls, *, rooms: Rooms, stream_pos: Callable[[], int]) -> "ErasedUsers":
        """One statement."""
        return cls(rooms=rooms, positions=await store.everyone(rooms.db), stream_pos=stream_pos)

    async def erase(self, tx: Tx, user_id: str) -> None:
        """A step of the transaction that deactivates the user."""
        await store.insert(tx, user_id, self._stream_pos())

    async def restore(self, tx: Tx, user_id: str) -> None:
        """A step of the transaction that reactivates the user."""
        await store.delete(tx, user_id)

    async def reload(self, user_id: str) -> None:
        """One of these transactions has been committed."""
        pos = await store.pos_of(self._rooms.db, user_id)
        if pos is None:
            self._positions.pop(user_id, None)
        else:
            self._positions[user_id] = pos

    def any_of(self, events: Sequence[StoredEvent]) -> bool:
        """Whether one of these events may have to be shown redacted."""
        return bool(self._positions) and any(self._is_theirs(stored.event) for stored in events)

    async def shown_to(self, user_id: str, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """The events, redacted copies in the place of those that the user came too late for."""
        if not self.any_of(events):
            return events
        theirs = {self._place(stored) for stored in events if self._is_theirs(stored.event)}
        late = {place for place in theirs if not await self._was_there(user_id, *place)}
        return [
            _redacted(stored) if self._is_theirs(stored.event) and self._place(stored) in late else stored
            for stored in events
        ]

    async def kept_from(
        self, room: Room, server_name: str, user_nids: Collection[int], events: Sequence[StoredEvent]
    ) -> set[int]:
        """The numbers of those of the events that another server came too late for.

        `user_nids` are those of its users who have had to do with the room.
        """
        if not self.any_of(events):
            return set()
        theirs = [stored for stored in events if self._is_theirs(stored.event)]
        late = {
            place for place in map(self._place, theirs) if await self._is_late(room, server_name, user_nids, place[1])
        }
        return {stored.event_nid for stored in theirs if self._place(stored) in late}

    async def _is_late(self, room: Room, server_name: str, user_nids: Collection[int], stream_pos: int) -> bool:
        """Whether none of the server's users was ever in the room until then. What was so once is remembered."""
        place = room.room_nid, server_name, stream_pos
        if place not in self._late_servers:
            keys = await self._rooms.keys.keys(self._rooms.db, user_nids)
            late = True
            for _, user_id in keys.values():
                if await self._was_there(user_id, room.room_nid, stream_pos):
                    late = False
                    break
            if len(self._late_servers) >= REMEMBERED:
                del self._late_servers[next(iter(self._late_servers))]
            self._late_servers[place] = late
        return self._late_servers[place]

    def _place(self, stored: StoredEvent) -> tuple[int, int]:
        """The room of an erased user's event, and until when one must have been there to see it."""
        return stored.room_nid, self._positions[stored.event.sender]

    def _is_theirs(self, event: Event) -> bool:
        """Whether an erased user said this, or this is their own membership; what they set for a room stays."""
        return event.sender in self._positions and event.state_key in (None, event.sender)

    async def _was_there(self, user_id: str, room_nid: int, stream_pos: int) -> bool:
        """Whether the user was ever joined to the room until then. No statement for what is in memory."""
        change = await self._rooms.member(await self._rooms.by_nid(room_nid), user_id)
        while change is not None:
            if change.event.membership == "join" and change.stream_pos <= stream_pos:
                return True
            if change.replaces is None:
                return False
            change = (await self._rooms.cache.get([change.replaces])).get(change.replaces)
        return False


def _redacted(stored: StoredEvent) -> StoredEvent:
    return msgspec.structs.replace(stored, event=redact_event(stored.event), replaces=None)
