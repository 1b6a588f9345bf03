"""Rooms for the servers that are in them: the door to a room's history and state for other servers.

Spec: server-server API, "Server Access Control Lists (ACLs)"; `/state_ids`: a server that is not in the room is refused.
"""

from collections.abc import Collection

from ranvier.federation.acl import check_acl
from ranvier.proto.errors import MatrixError, forbidden, not_found
from ranvier.rooms.remote_rooms import HostsOf
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms


class Participants:
    """Lets in the servers that are in a room."""

    def __init__(self, *, rooms: Rooms, hosts_of: HostsOf, server_name: str) -> None:
        self._rooms = rooms
        self._hosts_of = hosts_of
        self._server_name = server_name

    async def room(self, room_id: str, origin: str, *, past: bool = False) -> Room:
        """The room. Raises 404 `M_NOT_FOUND` if we are not in it, 403 `M_FORBIDDEN` if `origin` is not, or is kept out.

        `past`: what is asked for does not change any more. Then it will do if we have been in the room, and `origin` was
        when we left: perhaps nobody else is there who has seen that part of its history.
        403 `M_UNABLE_DUE_TO_PARTIAL_STATE` if we do not know yet whether it is (MSC3895).
        """
        room = await self._rooms.find(room_id)
        hosts = () if room is None else await self._hosts_of(room)
        if room is None or not self._may_tell(room, hosts, past=past):
            raise not_found("This server is not in the room")
        check_acl(room, origin)
        if origin not in hosts:
            if room.partial is not None:
                raise unable()
            raise forbidden("The server is not in this room")
        return room

    def _may_tell(self, room: Room, hosts: Collection[str], *, past: bool) -> bool:
        # Of a room that was left before it was fully joined nobody here knows who was in it.
        return self._server_name in hosts or (past and room.room_nid not in self._rooms.partials.left)


def unable() -> MatrixError:
    """403 `M_UNABLE_DUE_TO_PARTIAL_STATE`: another server cannot be answered while the room is partially joined."""
    return MatrixError(403, "M_UNABLE_DUE_TO_PARTIAL_STATE", "Not all members of this room are known here yet")
