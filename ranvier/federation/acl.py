"""Keeping out the servers that a room does not want. Spec: server-server API, "Server Access Control Lists (ACLs)"."""

from ranvier.proto.errors import forbidden
from ranvier.proto.server_acl import SERVER_ACL, acl_allows
from ranvier.rooms.room import Room


def is_allowed(room: Room, server_name: str) -> bool:
    """Whether the ACL in the room's present state lets the server take part. No statement."""
    stored = room.state.get(SERVER_ACL)
    return acl_allows(None if stored is None else stored.event, server_name)


def check_acl(room: Room, server_name: str) -> None:
    """Raises 403 `M_FORBIDDEN` for a server that `is_allowed` says no to."""
    if not is_allowed(room, server_name):
        raise forbidden("The server is not allowed in this room")
