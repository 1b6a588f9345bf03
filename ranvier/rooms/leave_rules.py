"""Rooms that users do not leave as they like. Spec: client-server API, "Server Notices"."""

from ranvier.proto.errors import MatrixError
from ranvier.rooms.room import Room
from ranvier.users.requester import Requester


class LeaveRules:
    """Knows the rooms of server notices: those that their sender has made."""

    def __init__(self, *, notices_user_id: str | None) -> None:
        """`None`: there are no server notices."""
        self._notices_user_id = notices_user_id

    def is_notices_room(self, room: Room) -> bool:
        """Whether the server speaks to a user here."""
        create = room.get(("m.room.create", ""))
        return create is not None and create.sender == self._notices_user_id

    def check(self, requester: Requester, room: Room, membership: str | None) -> None:
        """A user who is `membership` wants to go. Raises 403 `M_CANNOT_LEAVE_SERVER_NOTICE_ROOM`.

        Invitations of the server cannot be rejected; who has accepted may go. Where this server itself takes a user out of
        their rooms, it may.
        """
        if membership == "invite" and not requester.by_server and self.is_notices_room(room):
            raise MatrixError(
                403,
                "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM",
                "This server's notices cannot be rejected; you may leave later",
            )
