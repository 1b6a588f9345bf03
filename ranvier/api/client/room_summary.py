"""`GET /room_summary/{roomIdOrAlias}`. Spec: client-server API, "Room Summaries" (MSC3266)."""

import msgspec

from ranvier.api.client.room_summary_json import SummarisedRoom, summarised_room
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.membership import Memberships
from ranvier.rooms.summary import Summaries


class Via(msgspec.Struct):
    """Servers that may know the room."""

    via: list[str] = []


UNSTABLE = (
    "/_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}",
    "/_matrix/client/unstable/im.nheko.summary/rooms/{room_id_or_alias}/summary",
)


class RoomSummaryApi:
    """Describes rooms."""

    def __init__(self, *, summaries: Summaries, memberships: Memberships) -> None:
        self._summaries = summaries
        self._memberships = memberships

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/room_summary/{room_id_or_alias}", versions=("v1",)) + UNSTABLE, self.summarise,
            auth=Auth.OPTIONAL, guest=True, query=Via, answer=SummarisedRoom, spec="getRoomSummary",
            summary="What a room is",
        )  # fmt: skip

    async def summarise(self, request: Request) -> Response:
        """Describe a room to who may know about it."""
        room_id = await self._memberships.resolve(request.params["room_id_or_alias"])
        user_id = request.requester.user_id if request.has_requester else None
        room, membership = await self._summaries.summarise(room_id, user_id)
        return json_response(summarised_room(room, membership=membership))
