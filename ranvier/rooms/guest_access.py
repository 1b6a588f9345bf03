"""Which rooms guests may enter. Spec: client-server API, "Guest Access"."""

from ranvier.proto.errors import MatrixError
from ranvier.rooms.room import Room
from ranvier.users.requester import Requester


def check_guest_may_join(requester: Requester, room: Room) -> None:
    """Raises 403 `M_GUEST_ACCESS_FORBIDDEN` if the user is a guest and the room does not say that guests can join."""
    if requester.is_guest and room.content("m.room.guest_access").get("guest_access") != "can_join":
        raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may not join this room")
