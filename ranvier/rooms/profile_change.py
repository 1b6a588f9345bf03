"""A user's new name or avatar is told to the rooms they are in, as new member events.

Spec: client-server API, "Profiles: events on change of profile information".
"""

import logging

from ranvier.proto.errors import MatrixError
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import rooms as store
from ranvier.store.rooms import JOIN

logger = logging.getLogger(__name__)


class ProfileChanges:
    """Sends the member events."""

    def __init__(self, *, rooms: Rooms, writer: Writer, member_content: MemberContent) -> None:
        self._rooms = rooms
        self._writer = writer
        self._member_content = member_content

    async def announce(self, user_id: str) -> None:
        """Bring the member event of every joined room up to date; a room that refuses it does not stop the others."""
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        if user_nid is None:
            return

        async def decide(room: Room) -> list[Draft]:
            before = await self._rooms.member(room, user_id)
            if before is None or before.event.membership != "join":
                return []
            # The server that let the user in does not sign what follows (spec: `m.room.member`).
            dropped = ("displayname", "avatar_url", "join_authorised_via_users_server")
            content = {key: value for key, value in before.event.content.items() if key not in dropped}
            content |= await self._member_content.of(user_id, "join")
            return [Draft(sender=user_id, type="m.room.member", state_key=user_id, content=content)]

        for membership in await store.memberships_of(self._rooms.db, user_nid):
            if membership.membership == JOIN:
                room = await self._rooms.by_nid(membership.room_nid)
                try:
                    await self._writer.write(room.room_id, decide)
                except MatrixError as error:
                    logger.info("%s did not take the new profile of %s: %s", room.room_id, user_id, error)
