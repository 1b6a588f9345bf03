"""`POST /createRoom`. Spec: client-server API, "Creation"."""

import msgspec

from ranvier.api.client.membership_limits import MembershipLimits
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.create import Creating, RoomRequest
from ranvier.users.suspension import check_active


class RoomCreated(msgspec.Struct):
    """The answer."""

    room_id: str


class CreateRoomApi:
    """Creates rooms."""

    def __init__(self, *, creating: Creating, limits: MembershipLimits) -> None:
        self._creating = creating
        self._limits = limits

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            paths("/createRoom"),
            self.create_room,
            auth=Auth.USER,
            limit="rc_room_creation",
            body=RoomRequest,
            answer=RoomCreated,
            spec="createRoom",
            summary="Create a room",
        )

    async def create_room(self, request: Request) -> Response:
        """Create a room with everything the client asks for, or nothing at all."""
        wanted = request.json(RoomRequest)
        check_active(request.requester)
        self._limits.spend_first_invites(request.requester, wanted.invite)
        for _ in wanted.invite_3pid:
            self._limits.spend_third_party_invite(request.requester)
        return json_response(RoomCreated(await self._creating.create_room(request.requester, wanted)))
