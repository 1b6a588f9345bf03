"""What concerns all rooms of one user: whom they meet there, and leaving them all.

Spec: client-server API, "Account deactivation"; "Profiles" for servers that hide them from strangers.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ranvier.proto.errors import MatrixError
from ranvier.rooms.membership import Memberships
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.rooms import INVITE, JOIN, KNOCK
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

_PRESENT: Final = frozenset({JOIN, INVITE, KNOCK})
_JOINED: Final = frozenset({JOIN})


class RoomsOfUser:
    """Looks at, and leaves, every room of a local user."""

    def __init__(self, *, rooms: Rooms, memberships: Memberships) -> None:
        self._rooms = rooms
        self.leave: Callable[[Requester, str], Awaitable[None]] = memberships.leave
        """How a room is left; federation puts in what also leaves those that this server is not in."""

    async def leave_all(self, user_id: str) -> None:
        """Leave every room, reject every invitation, take back every knock. A room that refuses does not stop it."""
        requester = Requester(user_id, None, None)
        room_nids = await self._room_nids(user_id, _PRESENT)
        for room_id in (await store.room_ids(self._rooms.db, room_nids)).values() if room_nids else ():
            try:
                await self.leave(requester, room_id)
            except MatrixError as error:
                logger.warning("%s could not leave %s: %s", user_id, room_id, error)

    async def share_room(self, user_id: str, other_id: str) -> bool:
        """Whether a local user and another one are joined to the same room. Two statements if both are local."""
        mine = await self._room_nids(user_id, _JOINED)
        theirs = await self._room_nids(other_id, _JOINED)
        if theirs:
            return not mine.isdisjoint(theirs)
        for room_nid in mine:
            room = await self._rooms.by_nid(room_nid)
            if await self._rooms.membership(room, other_id) == "join":
                return True
        return False

    async def _room_nids(self, user_id: str, wanted: frozenset[int]) -> set[int]:
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        if user_nid is None:
            return set()
        found = await store.memberships_of(self._rooms.db, user_nid)
        return {membership.room_nid for membership in found if membership.membership in wanted}
