"""What administrators do to rooms: look at them, give power in them, let users in, tidy them.

Manual: admin API, "Room Details API", "Make Room Admin API", "Edit Room Membership API", "Forward Extremities".
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ranvier.proto.auth.power_levels import PowerLevels, power_levels
from ranvier.proto.client_events import client_event
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_room_id, is_user_id
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import room_list as store
from ranvier.store.events import StoredEvent
from ranvier.store.room_list import ListedRoom, Order, RoomFilter
from ranvier.users.administration import Administration
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

TOMBSTONE: Final = ("m.room.tombstone", "")
POWER_LEVELS: Final = "m.room.power_levels"
_TOO_WEAK: Final = "No local admin user in room with power to update power levels."


class EnteringRooms(Protocol):
    """Lets users of this server into rooms."""

    async def resolve(self, room_id_or_alias: str) -> tuple[str, list[str]]:
        """The room id, and servers that know the room."""
        ...

    async def join(self, requester: Requester, room_id: str, *, reason: str | None = None, via: Sequence[str]) -> str:
        """Join."""
        ...

    async def invite(self, requester: Requester, room_id: str, target: str, *, reason: str | None = None) -> None:
        """Invite."""
        ...


@dataclass(frozen=True, slots=True)
class RoomDetails:
    """A room, and what is counted for one room only."""

    room: ListedRoom
    joined_local_devices: int
    forgotten: bool
    tombstoned: bool
    replacement_room: str | None


@dataclass(frozen=True, slots=True)
class Extremity:
    """An end of a room's history."""

    event_id: str
    state_no: int
    depth: int
    received_ts: int


class RoomAdministration:
    """Does what an administrator asks."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        accounts: Administration,
        entering: EnteringRooms,
        tidy: Callable[[str], Awaitable[object]],
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._accounts = accounts
        self._entering = entering
        self._tidy = tidy

    async def page(
        self, wanted: RoomFilter, *, order: Order, offset: int, limit: int, backwards: bool
    ) -> tuple[list[ListedRoom], int]:
        """A part of the list of rooms, and how many there are. Two statements."""
        return await store.page(self._rooms.db, wanted, order=order, offset=offset, limit=limit, backwards=backwards)

    async def details(self, room_id: str) -> RoomDetails:
        """One room. Raises 404."""
        room = await self._room(room_id)
        listed = await store.one(self._rooms.db, room_id)
        if listed is None:
            raise not_found("Room not found")
        replacement = room.content(*TOMBSTONE).get("replacement_room")
        return RoomDetails(
            room=listed,
            joined_local_devices=await store.joined_devices(self._rooms.db, room.room_nid),
            forgotten=await store.is_forgotten(self._rooms.db, room.room_nid),
            tombstoned=TOMBSTONE in room.state,
            replacement_room=replacement if isinstance(replacement, str) else None,
        )

    async def members(self, room_id: str) -> list[str]:
        """Who is in a room, as far as that is known. Raises 404."""
        return await store.joined_users(self._rooms.db, (await self._room(room_id)).room_nid)

    async def state(self, room_id: str, type: str | None) -> list[bytes]:
        """A room's state as clients see events, as far as it is known. Raises 404."""
        room = await self._room(room_id)
        nids = await store.current_events(self._rooms.db, room.room_nid, type)
        found = await self._rooms.cache.get(nids)
        return [client_event(found[nid].event, room_id=True) for nid in nids if nid in found]

    async def resolve(self, room_id_or_alias: str) -> str:
        """The id of a room of this server. Raises 404, 400."""
        return (await self._entering.resolve(room_id_or_alias))[0]

    async def join(self, admin: Requester, room_id_or_alias: str, user_id: str, via: Sequence[str]) -> str:
        """Let a user of this server join, with an invitation by the administrator where that is needed; the room id.

        Raises 400, 403, 404.
        """
        requester = await self._local_user(user_id)
        room_id, servers = await self._entering.resolve(room_id_or_alias)
        room = await self._rooms.find(room_id)
        if room is not None and room.has_head:
            is_public = room.content("m.room.join_rules").get("join_rule") == "public"
            membership = await self._rooms.membership(room, user_id)
            if not is_public and membership not in ("join", "invite") and user_id != admin.user_id:
                await self._entering.invite(admin, room_id, user_id)
        return await self._entering.join(requester, room_id, via=[*via, *servers])

    async def make_admin(self, admin: Requester, room_id_or_alias: str, user_id: str | None) -> None:
        """Give a user the greatest power that anybody of this server has in a room, and invite them.

        The manual's conditions: a user of this server is in the room who may change the power levels. Raises 400
        (nobody is), 403, 404.
        """
        target = user_id or admin.user_id
        if not is_user_id(target):
            raise invalid_param("user_id: not a user id")
        room = await self._room(await self.resolve(room_id_or_alias))
        mighty = await self._mightiest(room)
        levels = power_levels(room)
        if mighty is None or levels.user_level(mighty) < levels.required_level(POWER_LEVELS, is_state=True):
            raise MatrixError(400, "M_UNKNOWN", _TOO_WEAK)
        if levels.user_level(target) < levels.user_level(mighty):
            content = _raised(room, levels, target, levels.user_level(mighty))
            draft = Draft(sender=mighty, type=POWER_LEVELS, state_key="", content=content)
            try:
                await self._writer.write(room.room_id, [draft])
            except MatrixError as error:
                if error.errcode != "M_FORBIDDEN":
                    raise
                raise MatrixError(400, "M_UNKNOWN", _TOO_WEAK) from error
        is_public = room.content("m.room.join_rules").get("join_rule") == "public"
        if not is_public and await self._rooms.membership(room, target) not in ("join", "invite"):
            await self._entering.invite(Requester(mighty, None, None), room.room_id, target)

    async def extremities(self, room_id_or_alias: str) -> list[Extremity]:
        """The ends of a room's history. Raises 404."""
        room = await self._room(await self.resolve(room_id_or_alias))
        return [_extremity(stored) for stored in room.extremities]

    async def join_extremities(self, room_id_or_alias: str) -> int:
        """Leave a room one end; how many are gone. Raises 404, and 400 if nobody here may say anything there.

        Nothing is thrown away: an event that clients ignore joins them.
        """
        room = await self._room(await self.resolve(room_id_or_alias))
        before = len(room.extremities)
        if before > 1:
            await self._tidy(room.room_id)
        after = len((await self._rooms.get(room.room_id)).extremities)
        if after > 1:
            raise MatrixError(400, "M_UNKNOWN", "Nobody of this server may speak in the room, to join its ends")
        return before - after

    async def _room(self, room_id: str) -> Room:
        room = await self._rooms.find(room_id)
        if room is None or not room.has_head:
            raise not_found("Room not found")
        return room

    async def _local_user(self, user_id: str) -> Requester:
        if not is_user_id(user_id):
            raise invalid_param("user_id: not a user id")
        if domain_of(user_id) != self._writer.server_name:
            raise invalid_param("This endpoint can only be used with local users")
        await self._accounts.get(user_id)
        return Requester(user_id, None, None)

    async def _mightiest(self, room: Room) -> str | None:
        """The user of this server with most power of those who are in the room."""
        levels = power_levels(room)
        ours = [user_id for user_id in levels.users if domain_of(user_id) == self._writer.server_name]
        for user_id in sorted(ours, key=levels.user_level, reverse=True):
            if await self._rooms.membership(room, user_id) == "join":
                return user_id
        for user_id in await store.joined_users(self._rooms.db, room.room_nid):
            if domain_of(user_id) == self._writer.server_name:
                return user_id
        return None


def check_room_id(room_id: str) -> None:
    """Raises 400 `M_INVALID_PARAM` for what is no room id."""
    if not is_room_id(room_id) or not is_storable(room_id):
        raise invalid_param("Not a room id")


def _raised(room: Room, levels: PowerLevels, target: str, level: int) -> dict[str, Any]:
    """The power levels with one user's raised. Where the creators' power has no number, as far as numbers go."""
    content = dict(room.content(POWER_LEVELS))
    users = content.get("users")
    highest = max([level for level in levels.users.values() if level <= 100], default=100)
    content["users"] = {**(users if isinstance(users, dict) else {}), target: level if level <= 1 << 53 else highest}
    return content


def _extremity(stored: StoredEvent) -> Extremity:
    return Extremity(
        event_id=stored.event.event_id,
        state_no=stored.state_before or 0,
        depth=stored.event.depth,
        received_ts=stored.event.origin_server_ts,
    )
