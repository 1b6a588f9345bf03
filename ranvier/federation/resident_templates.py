"""Templates of member events for users of other servers: `/make_join`, `/make_knock`, `/make_leave`.

Spec: server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms (Rejecting Invites)".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.federation.resident_restricted import Conditions
from ranvier.federation.resident_rooms import ResidentRooms, check_is_from
from ranvier.ports import Clock
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.errors import forbidden
from ranvier.proto.handshakes.member_request import check_offered_versions
from ranvier.proto.handshakes.template import AUTHORISER, as_proposed, member_template
from ranvier.rooms.room import EXTREMITY_LIMIT, Room
from ranvier.rooms.rooms import Rooms


class Templates:
    """Makes templates. Nothing is kept of them."""

    def __init__(
        self, *, rooms: Rooms, resident: ResidentRooms, conditions: Conditions, clock: Clock, server_name: str
    ) -> None:
        self._rooms = rooms
        self._resident = resident
        self._conditions = conditions
        self._clock = clock
        self._server_name = server_name

    async def join(self, origin: str, room_id: str, user_id: str, versions: Sequence[str]) -> dict[str, Any]:
        """The answer to `/make_join` of a server that knows these room versions (none named: version 1).

        Raises 404 and 403 as `ResidentRooms.room`, 403 `M_FORBIDDEN` if the user is not the server's or may not join,
        400 `M_INCOMPATIBLE_ROOM_VERSION`, `M_UNABLE_TO_AUTHORISE_JOIN` or `M_UNABLE_TO_GRANT_JOIN`.
        """
        room = await self._room(origin, room_id, user_id)
        check_offered_versions(room.version, list(versions))
        content = {"membership": "join"}
        authoriser = await self._conditions.authoriser_for(room, user_id)
        if authoriser is not None:
            content[AUTHORISER] = authoriser
        return await self._make(room, user_id, content)

    async def knock(self, origin: str, room_id: str, user_id: str, versions: Sequence[str]) -> dict[str, Any]:
        """The answer to `/make_knock`. Raises as `join`."""
        room = await self._room(origin, room_id, user_id)
        check_offered_versions(room.version, list(versions))
        return await self._make(room, user_id, {"membership": "knock"})

    async def leave(self, origin: str, room_id: str, user_id: str) -> dict[str, Any]:
        """The answer to `/make_leave`. Raises as `join`; also 403 if there is nothing to leave."""
        return await self._make(await self._room(origin, room_id, user_id), user_id, {"membership": "leave"})

    async def _room(self, origin: str, room_id: str, user_id: str) -> Room:
        room = await self._resident.room(room_id, origin)
        check_is_from(user_id, origin)
        return room

    async def _make(self, room: Room, user_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        keys = auth_types_for(room.version, "m.room.member", user_id, user_id, content)
        # The lock keeps the members that are met here in memory until the rules have been asked.
        async with room.lock:
            for type_, state_key in keys:
                if type_ == "m.room.member":
                    await self._rooms.member(room, state_key)
            prev_events = [stored.event for stored in room.extremities[:EXTREMITY_LIMIT]]
            template = member_template(
                version=room.version,
                room_id=room.room_id,
                user_id=user_id,
                content=dict(content),
                prev_events=prev_events,
                auth_events=[entry.event for key in keys if (entry := room.get_stored(key)) is not None],
                origin=self._server_name,
                now_ms=self._clock.now_ms(),
            )
            try:
                check_event(as_proposed(template, room.version, prev_events), room)
            except AuthError as error:
                raise forbidden(str(error)) from error
        return {"room_version": room.version.identifier, "event": template}
