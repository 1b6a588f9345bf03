"""`POST /createRoom`. Spec: client-server API, "Creation"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.create import Creating, RoomRequest


class RoomCreated(msgspec.Struct):
    """The answer."""

    room_id: str


class CreateRoomApi:
    """Creates rooms."""

    def __init__(self, *, creating: Creating) -> None:
        self._creating = creating

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            paths("/createRoom"),
            self.create_room,
            auth=Auth.USER,
            body=RoomRequest,
            answer=RoomCreated,
            spec="createRoom",
            summary="Create a room",
        )

    async def create_room(self, request: Request) -> Response:
        """Create a room with everything the client asks for, or nothing at all."""
        wanted = request.json(RoomRequest)
        return json_response(RoomCreated(await self._creating.create_room(request.requester, wanted)))
