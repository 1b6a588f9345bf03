"""The rooms that this server is in, as other servers may ask about them.

Spec: server-server API, "Server Access Control Lists (ACLs)"; `/make_join`: an unknown room is a 404.
"""

from collections.abc import Collection

from ranvier.federation.acl import check_acl
from ranvier.proto.errors import forbidden, invalid_param, not_found
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms


class ResidentRooms:
    """Finds rooms that this server can speak for."""

    def __init__(self, *, rooms: Rooms, hosts: Hosts, server_name: str) -> None:
        self._rooms = rooms
        self._hosts = hosts
        self._server_name = server_name

    async def is_in(self, room_id: str) -> Room | None:
        """The room if any of our users is joined to it."""
        room = await self._rooms.find(room_id)
        return room if room is not None and self._server_name in await self._hosts.of(room) else None

    async def holds(self, room_id: str) -> Room | None:
        """The room if it is for us to say what happens in it: we are in it, or nobody is any more, as far as we know."""
        room = await self._rooms.find(room_id)
        if room is None:
            return None
        hosts = await self._hosts.of(room)
        is_ours = not hosts and room.room_nid not in self._rooms.partials.left
        return room if self._server_name in hosts or is_ours else None

    def at_door(self, room: Room) -> list[Event]:
        """What users at its door are told of the room: entries of its present state."""
        return [stored.event for stored in self._rooms.at_door.of(room)]

    async def others(self, room: Room) -> list[str]:
        """The other servers in the room, as far as we know."""
        return [name for name in await self._hosts.of(room) if name != self._server_name]

    async def servers_at(self, room: Room, state_no: int) -> Collection[str]:
        """The servers that were in the room when its state was this, ours among them."""
        return await self._hosts.at(room, state_no)

    async def check_version(self, room_id: str, version: RoomVersion) -> None:
        """Whether this is the version of a room that we know. Raises 400 `M_INVALID_PARAM`."""
        room = await self._rooms.find(room_id)
        if room is not None and room.version is not version:
            raise invalid_param("room_version: not that of the room")

    async def last_known(self, room_id: str) -> list[str]:
        """The other servers that were in a room when this one left it."""
        room = await self._rooms.find(room_id)
        return [] if room is None else sorted(await self.others(room))

    async def let_in_by(self, room_id: str) -> list[str]:
        """The server through which we have joined a room that is still partial."""
        room = await self._rooms.find(room_id)
        return [] if room is None or room.partial is None else [room.partial.joined_via]

    async def room(self, room_id: str, origin: str) -> Room:
        """The room that the server `origin` asks about.

        Raises 404 `M_NOT_FOUND` if we are not in it or do not know all of its members yet, 403 `M_FORBIDDEN` if its ACL
        refuses the server.
        """
        room = await self.is_in(room_id)
        if room is None or room.partial is not None:
            raise not_found("This server is not in the room")
        check_acl(room, origin)
        return room


def check_is_from(user_id: str, origin: str) -> None:
    """Whether the user belongs to the server that asks for them. Raises 403 `M_FORBIDDEN`."""
    if not is_user_id(user_id) or domain_of(user_id) != origin:
        raise forbidden("The user is not one of the server that asks")
