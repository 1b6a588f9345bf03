"""The birth of a room: its first events, written as one transaction."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from ranvier.db.engine import Tx
from ranvier.ports import Random
from ranvier.proto.room_versions import RoomVersion
from ranvier.proto.unpadded_base64 import encode_base64_urlsafe
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer, durable
from ranvier.state.history import RoomHistory

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class NewRooms:
    """Makes rooms out of drafts."""

    def __init__(self, *, rooms: Rooms, writer: Writer, random: Random) -> None:
        self._rooms = rooms
        self._writer = writer
        self._random = random
        self._named_ts = 0

    def room_id(self, version: RoomVersion) -> str:
        """An id for a room to be; empty where the create event will give it one."""
        if version.domainless_room_ids:
            return ""
        letters = "".join(LETTERS[byte % len(LETTERS)] for byte in self._random.token_bytes(18))
        return f"!{letters}:{self._writer.server_name}"

    def pretended_id(self, version: RoomVersion) -> str:
        """An id such as rooms of this version have; no room will ever have it."""
        return self.room_id(version) or "!" + encode_base64_urlsafe(self._random.token_bytes(32))

    async def begin(self, version: RoomVersion, room_id: str, members: Iterable[str]) -> Room:
        """An empty room that nobody knows yet. `members` are the users that its first events are about."""
        room = Room(
            room_nid=self._rooms.new_nid(),
            room_id=room_id,
            version=version,
            history=await RoomHistory.load(self._rooms.db, 0, cache=self._rooms.layers),
        )
        room.history.room_nid = room.room_nid
        for user_id in members:
            room.remember_member(user_id, None)
        return room

    async def write(
        self,
        room: Room,
        drafts: Sequence[Draft],
        *,
        is_public: bool,
        also: Sequence[Callable[[Tx], Awaitable[None]]] = (),
    ) -> None:
        """Write its first events, and what else belongs to the same transaction; returns when that is durable.

        Raises what the writer raises; then there is no room.
        """
        drafts = await self.named(room, drafts)
        async with room.lock:
            _, done = await self._writer.write_locked(room, drafts, new_room=True, is_public=is_public, also=also)
            if done is not None:
                self._rooms.add(room)
        if done is not None:
            await durable(done)

    async def named(self, room: Room, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Its first events, of which the create event has been made if it gives the room its id; nothing is written.

        The room has its id from then on. Raises what the writer raises.
        """
        if room.room_id:
            return drafts
        create = await self._writer.prepare(room, replace(drafts[0], origin_server_ts=self._next_ts()))
        if create.built is not None:
            room.room_id = create.built[0].room_id
        return [create, *drafts[1:]]

    def _next_ts(self) -> int:
        """A time that no other create event has which names its room: those of two rooms may say the same otherwise."""
        self._named_ts = max(self._writer.now_ms(), self._named_ts + 1)
        return self._named_ts
