"""`GET /joined_rooms`. Spec: client-server API, "Room membership"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.membership import Memberships


class JoinedRooms(msgspec.Struct):
    """The answer."""

    joined_rooms: list[str]


class JoinedRoomsApi:
    """Lists a user's rooms."""

    def __init__(self, *, memberships: Memberships) -> None:
        self._memberships = memberships

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            paths("/joined_rooms"),
            self.joined_rooms,
            auth=Auth.USER,
            answer=JoinedRooms,
            spec="getJoinedRooms",
            summary="The rooms the user is in",
        )

    async def joined_rooms(self, request: Request) -> Response:
        """The ids of the rooms whose member the user is now."""
        return json_response(JoinedRooms(await self._memberships.joined_rooms(request.requester)))
