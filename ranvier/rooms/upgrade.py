"""Replacing a room by one of another version.

Spec: client-server API, "Room Upgrades". First the new room, whole, in one transaction; then, in another, the tombstone
with the aliases and the place in the directory. What fails in between leaves the old room as it was.
"""

from collections.abc import Sequence
from typing import Any

from ranvier.db.engine import Tx
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.proto.ids import is_user_id
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.rooms.carry_over import CarryOver
from ranvier.rooms.full_room import FullRoom, all_members, full_room
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.new_room import NewRooms
from ranvier.rooms.replacement import Replacement, canonical_alias_left, locked_levels
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer, durable
from ranvier.store import aliases, public_rooms
from ranvier.store import rooms as store
from ranvier.store.rooms import BAN
from ranvier.users.requester import Requester


class Upgrades:
    """Replaces rooms."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        member_content: MemberContent,
        new_rooms: NewRooms,
        carry_over: CarryOver,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._member_content = member_content
        self._new_rooms = new_rooms
        self._carry_over = carry_over

    async def upgrade(
        self, requester: Requester, room_id: str, new_version: str, additional_creators: Sequence[str] = ()
    ) -> str:
        """The id of the room that replaces this one.

        Raises 400 `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_PARAM`; 403 unless the user may send `m.room.tombstone`; 404;
        503 if not every member of the room is known yet.
        """
        version = ROOM_VERSIONS.get(new_version)
        if version is None:
            raise MatrixError(400, "M_UNSUPPORTED_ROOM_VERSION", "This server does not know that room version")
        for user_id in additional_creators if version.privileged_creators else ():
            if not is_user_id(user_id):
                raise invalid_param("additional_creators: expected user ids")
        if requester.shadow_banned:  # Nobody is to be led away; what is forbidden stays so.
            new_id = self._new_rooms.pretended_id(version)
            await self._writer.pretend(room_id, [_tombstone(requester.user_id, new_id)])
            return new_id
        while True:
            old = await full_room(self._rooms, await self._rooms.get(room_id))
            async with old.lock:
                if old.spoilt:
                    continue
                moved = await aliases.of_room(self._rooms.db, old.room_nid)
                new = await self._replace(requester.user_id, old, version, additional_creators, moved)
            break
        await self._close(requester.user_id, old, moved)
        await self._carry_over.carry_over(requester.user_id, old.room_id, new.room_id)
        return new.room_id

    async def _replace(
        self, user_id: str, old: FullRoom, version: RoomVersion, creators: Sequence[str], moved: Sequence[str]
    ) -> Room:
        """Both transactions, under the old room's lock."""
        new_id = self._new_rooms.room_id(version)
        # Made first, for the new room names it and to know that the user may; where the new room's id comes from its
        # create event, only for the latter.
        tombstone = await self._writer.prepare(old, _tombstone(user_id, new_id))
        if new_id:
            tombstone = await self._writer.policed(old, tombstone)
        predecessor = {"room_id": old.room_id}
        if tombstone.built is not None and new_id:
            predecessor["event_id"] = tombstone.built[0].event_id
        rows = await store.current_members(self._rooms.db, all_members(old), [BAN])
        replacement = Replacement(
            creator=user_id,
            version=version,
            additional_creators=creators,
            predecessor=predecessor,
            join=await self._member_content.of(user_id, "join"),
            aliases=moved,
            bans=await self._rooms.cache.from_rows(rows),
        )
        drafts = replacement.drafts(old)
        members = [draft.state_key for draft in drafts if draft.type == "m.room.member" and draft.state_key]
        new = await self._new_rooms.begin(version, new_id, members)
        is_public = await public_rooms.is_published(self._rooms.db, old.room_nid)
        named = await self._new_rooms.named(new, drafts)
        if not new_id:
            # Whoever has a say about the old room says it before there is a new one.
            tombstone = await self._writer.policed(old, _tombstone(user_id, new.room_id))
        await self._new_rooms.write(new, named, is_public=is_public)

        async def move(tx: Tx) -> None:
            await aliases.move(tx, old.room_nid, new.room_nid)
            await public_rooms.set_published(tx, old.room_nid, published=False)

        _, done = await self._writer.write_locked(old, [tombstone], also=[move])
        if done is not None:
            await durable(done)
        return new

    async def _close(self, user_id: str, old: Room, moved: Sequence[str]) -> None:
        """Take the aliases out of the old room's state, and leave nobody there a voice: as far as the user may."""

        async def unname(room: Room) -> Sequence[Draft]:
            content = canonical_alias_left(room, moved)
            return [] if content is None else [_state(user_id, "m.room.canonical_alias", content)]

        async def lock(room: Room) -> Sequence[Draft]:
            content = locked_levels(room)
            return [] if content is None else [_state(user_id, "m.room.power_levels", content)]

        for decide in (unname, lock):
            try:
                await self._writer.write(old.room_id, decide)
            except MatrixError as error:
                if error.errcode != "M_FORBIDDEN":
                    raise


def _tombstone(user_id: str, new_id: str) -> Draft:
    content = {"body": "This room has been replaced", "replacement_room": new_id}
    return _state(user_id, "m.room.tombstone", content)


def _state(user_id: str, type_: str, content: dict[str, Any]) -> Draft:
    return Draft(sender=user_id, type=type_, state_key="", content=content)
