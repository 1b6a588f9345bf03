"""Joining a room because one is in another: who is let in, and who vouches for it.

Spec: room versions 8 and 10, "Authorisation rules"; client-server API, "Restricted rooms".
"""

from typing import Any

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.ids import domain_of
from ranvier.rooms.description import allowed_rooms
from ranvier.rooms.full_room import known_members
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.rooms import JOIN

AUTHORISER = "join_authorised_via_users_server"


class RestrictedJoins:
    """Authorises joins of local users."""

    def __init__(self, *, rooms: Rooms, server_name: str) -> None:
        self._rooms = rooms
        self._server_name = server_name

    async def authorise(self, room: Room, user_id: str, content: dict[str, Any]) -> None:
        """Put into the content of a join who lets the user in, where the room asks for that, and nobody where not.

        The word of a client about it counts for nothing: our signature would make it true. Raises 403 `M_FORBIDDEN` if
        the user fulfils no condition, 400 `M_UNABLE_TO_GRANT_JOIN` if nobody here may invite.
        """
        content.pop(AUTHORISER, None)
        rules = room.content("m.room.join_rules")
        if not is_restricted(room) or await self._rooms.membership(room, user_id) in ("invite", "join"):
            return
        if not await self.is_allowed(allowed_rooms(rules), user_id):
            raise forbidden("You are in none of the rooms that would let you in")
        authoriser = await self.authoriser(room)
        if authoriser is None:
            raise MatrixError(400, "M_UNABLE_TO_GRANT_JOIN", "Nobody on this server can let you in")
        content[AUTHORISER] = authoriser

    async def is_allowed(self, room_ids: tuple[str, ...], user_id: str) -> bool:
        """Whether the user is in one of these rooms."""
        for room_id in room_ids:
            room = await self._rooms.find(room_id)
            if room is not None and await self._rooms.membership(room, user_id) == "join":
                return True
        return False

    async def authoriser(self, room: Room) -> str | None:
        """A local member who may invite: the most powerful first."""
        levels = power_levels(room)
        able = [user for user in levels.users if levels.users[user] >= levels.invite]
        for user_id in sorted(able, key=levels.user_level, reverse=True):
            if self._is_local(user_id) and await self._rooms.membership(room, user_id) == "join":
                return user_id
        if levels.users_default < levels.invite:
            return None
        # The local ones are always known.
        nids = await store.member_nids(self._rooms.db, known_members(room.room_nid), [JOIN])
        members = await self._rooms.keys.keys(self._rooms.db, nids)
        for _, user_id in members.values():
            if self._is_local(user_id) and levels.user_level(user_id) >= levels.invite:
                return user_id
        return None

    def _is_local(self, user_id: str) -> bool:
        return domain_of(user_id) == self._server_name


def is_restricted(room: Room) -> bool:
    """Whether members of other rooms may join, by a join rule that the room's version knows."""
    rule = room.content("m.room.join_rules").get("join_rule")
    return (rule == "restricted" and room.version.restricted_joins) or (
        rule == "knock_restricted" and room.version.knock_restricted_joins
    )
