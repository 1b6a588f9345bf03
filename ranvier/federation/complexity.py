"""How much a room asks of a server that is in it: told to others, and asked of them before rooms are joined.

`GET /_matrix/federation/unstable/rooms/{room_id}/complexity` is no part of the specification; deployed servers answer it.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from ranvier.config.limit_sections import RemoteRoomLimit
from ranvier.db.engine import Database
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.proto.errors import MatrixError, not_found
from ranvier.rooms.room import Room
from ranvier.store import room_entries, server_members
from ranvier.store.rooms import INVITE
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

ENTRIES: Final = 500
"""So many entries of the current state are a complexity of 1."""
SERVERS: Final = 3
MOST: Final = 1 << 53
"""What is above is no number that anybody has counted."""
TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 1 << 16


async def complexity(db: Database, room: Room) -> float:
    """Of a room as this server has it. One statement."""
    return await room_entries.count(db, room.room_nid) / ENTRIES


class ComplexityServing:
    """Tells other servers, which want to join."""

    def __init__(self, *, db: Database, resident: ResidentRooms) -> None:
        self._db = db
        self._resident = resident

    async def of(self, origin: str, room_id: str) -> float:
        """Of a room that the server is in, could join or could look into. Raises 404 `M_NOT_FOUND`, 403 `M_FORBIDDEN`."""
        room = await self._resident.room(room_id, origin)
        if not await self._may_know(origin, room):
            raise not_found("This server is not in the room")
        return await complexity(self._db, room)

    async def _may_know(self, origin: str, room: Room) -> bool:
        if origin in await self._resident.others(room):
            return True
        if room.content("m.room.create").get("m.federate") is False:
            return False
        return (
            room.content("m.room.join_rules").get("join_rule") == "public"
            or room.content("m.room.history_visibility").get("history_visibility") == "world_readable"
            or bool(await server_members.rooms_with_member(self._db, [room.room_nid], origin, [INVITE]))
        )


class RoomSizeLimit:
    """Keeps users out of rooms elsewhere that are too complex (`limit_remote_rooms`)."""

    def __init__(
        self, *, limit: RemoteRoomLimit, admin_contact: str | None, client: FederationClient, db: Database
    ) -> None:
        self._limit = limit
        self._admin_contact = admin_contact
        self._client = client
        self._db = db

    async def is_known_small(self, requester: Requester, room_id: str, servers: Sequence[str]) -> bool:
        """Whether others say that the room may be joined; false where none of them says anything.

        Raises 400 `M_RESOURCE_LIMIT_EXCEEDED` if they say that it is too complex.
        """
        if self._is_exempt(requester):
            return True
        for server in servers[:SERVERS]:
            told = await self._ask(server, room_id)
            if told is not None:
                self._check(told)
                return True
        return False

    async def check_joined(self, room: Room) -> None:
        """Of a room that has been joined unseen. Raises 400 `M_RESOURCE_LIMIT_EXCEEDED`."""
        self._check(await complexity(self._db, room))

    def _is_exempt(self, requester: Requester) -> bool:
        return requester.is_admin and self._limit.admins_can_join

    def _check(self, found: float) -> None:
        if found > self._limit.complexity:
            contact = {} if self._admin_contact is None else {"admin_contact": self._admin_contact}
            raise MatrixError(400, "M_RESOURCE_LIMIT_EXCEEDED", self._limit.error, extra=contact)

    async def _ask(self, server: str, room_id: str) -> float | None:
        try:
            answer: Any = await self._client.get(
                server,
                path("unstable", "rooms", room_id, "complexity"),
                timeout_s=TIMEOUT_S,
                limit_bytes=ANSWER_BYTES,
                patient=True,
            )
        except (RemoteError, Unreachable) as error:
            logger.info("%s does not say how complex %s is: %s", server, room_id, error)
            return None
        told = answer.get("v1") if isinstance(answer, dict) else None
        if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= MOST:
            return None
        return float(told)
