"""Whether users of other servers fulfil a condition of a restricted room, and who of us can say so.

Spec: server-server API, "Restricted rooms".
"""

from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.rooms.description import allowed_rooms
from ranvier.rooms.restricted_join import RestrictedJoins, is_restricted
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms


class Conditions:
    """Checks conditions."""

    def __init__(self, *, rooms: Rooms, resident: ResidentRooms, restricted_joins: RestrictedJoins) -> None:
        self._rooms = rooms
        self._resident = resident
        self._restricted_joins = restricted_joins

    async def authoriser_for(self, room: Room, user_id: str) -> str | None:
        """The local user who lets another server's user in, `None` if the room asks for nobody.

        Raises as `check`, and 400 `M_UNABLE_TO_GRANT_JOIN` if nobody here may invite.
        """
        if not is_restricted(room) or await self._rooms.membership(room, user_id) in ("invite", "join", "ban"):
            return None
        await self.check(room, user_id)
        authoriser = await self._restricted_joins.authoriser(room)
        if authoriser is None:
            raise MatrixError(400, "M_UNABLE_TO_GRANT_JOIN", "Nobody on this server can let the user in")
        return authoriser

    async def check(self, room: Room, user_id: str) -> None:
        """Whether the user is in one of the rooms whose members may join.

        Raises 403 `M_FORBIDDEN` if they are in none, 400 `M_UNABLE_TO_AUTHORISE_JOIN` if we cannot see into all.
        """
        if not is_restricted(room):
            return
        unseen = False
        for room_id in allowed_rooms(room.content("m.room.join_rules")):
            allowed = await self._resident.is_in(room_id)
            if allowed is None:
                unseen = True
            elif await self._rooms.membership(allowed, user_id) == "join":
                return
        if unseen:
            raise MatrixError(
                400, "M_UNABLE_TO_AUTHORISE_JOIN", "This server is not in all of the rooms that would let the user in"
            )
        raise forbidden("The user is in none of the rooms that would let them in")
