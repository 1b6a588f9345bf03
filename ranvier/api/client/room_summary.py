"""`GET /room_summary/{roomIdOrAlias}`. Spec: client-server API, "Room Summaries" (MSC3266)."""

import msgspec

from ranvier.api.client.room_summary_json import SummarisedRoom, summarised_room
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_room_alias, is_room_id
from ranvier.rooms.aliases import Aliases
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

    def __init__(self, *, summaries: Summaries, aliases: Aliases) -> None:
        self._summaries = summaries
        self._aliases = aliases

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/room_summary/{room_id_or_alias}", versions=("v1",)) + UNSTABLE, self.summarise,
            auth=Auth.OPTIONAL, guest=True, query=Via, answer=SummarisedRoom, spec="getRoomSummary",
            summary="What a room is",
        )  # fmt: skip

    async def summarise(self, request: Request) -> Response:
        """Describe a room to who may know about it."""
        via = request.query(Via).via
        name = request.params["room_id_or_alias"]
        if is_room_alias(name):
            name, servers = await self._aliases.resolve(name)
            via = [*via, *servers]
        elif not is_room_id(name):
            raise invalid_param("Neither a room id nor a room alias")
        user_id = request.requester.user_id if request.has_requester else None
        room, membership = await self._summaries.summarise(name, user_id, via=via)
        return json_response(summarised_room(room, membership=membership))
