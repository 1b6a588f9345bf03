"""What has been said in a room, for administrators: the timeline, moments, spaces. Manual: admin API, "Rooms".

The answers are those of the client-server API, without asking whether the administrator is or was in the room.
"""

from typing import Annotated, Literal

import msgspec

from ranvier.api.admin.rooms import ROOM
from ranvier.api.client.context import ContextApi, ContextQuery, EventContext
from ranvier.api.client.hierarchy import HierarchyQuery, Tree
from ranvier.api.client.messages import MessagesApi, MessagesPage, MessagesQuery
from ranvier.api.client.room_summary_json import summarised_room
from ranvier.api.client.timestamp_to_event import EventThen
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.context import Context
from ranvier.rooms.hierarchy import MAX_DEPTH, Hierarchy, Walk
from ranvier.rooms.messages import Messages
from ranvier.rooms.read_event import EventReading
from ranvier.rooms.timestamp_to_event import TimestampToEvent


class AdminMessagesQuery(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """Which part of the timeline; forwards unless said otherwise."""

    since: str | None = None
    until: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    filter: str | None = None
    dir: Literal["b", "f"] = "f"


class AdminMoment(msgspec.Struct):
    """From when, and in which direction."""

    ts: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    dir: Literal["f", "b"] = "f"


class RoomHistoryApi:
    """Reads rooms with unrestricted services."""

    def __init__(
        self,
        *,
        messages: Messages,
        context: Context,
        reading: EventReading,
        finding: TimestampToEvent,
        hierarchy: Hierarchy,
    ) -> None:
        self._messages = MessagesApi(messages=messages)
        self._context = ContextApi(context=context, reading=reading)
        self._finding = finding
        self._hierarchy = hierarchy

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", f"{ROOM}/messages", self.page, auth=Auth.ADMIN, query=AdminMessagesQuery,
                answer=MessagesPage, summary="A page of a room's timeline"),
            *routes("GET", f"{ROOM}/context/{{event_id}}", self._context.around, auth=Auth.ADMIN, query=ContextQuery,
                answer=EventContext, summary="An event with its neighbours"),
            *routes("GET", f"{ROOM}/timestamp_to_event", self.find, auth=Auth.ADMIN, query=AdminMoment,
                answer=EventThen, summary="The event nearest to a moment"),
            *routes("GET", f"{ROOM}/hierarchy", self.tree, auth=Auth.ADMIN, query=HierarchyQuery, answer=Tree,
                summary="The rooms of a space, as far as they are known here"),
        ]  # fmt: skip

    async def page(self, request: Request) -> Response:
        """A page of the timeline."""
        query = request.query(AdminMessagesQuery)
        wanted = MessagesQuery(query.dir, query.since, query.until, query.limit, query.filter)
        return await self._messages.answer(request, wanted)

    async def find(self, request: Request) -> Response:
        """The nearest event."""
        query = request.query(AdminMoment)
        found = await self._finding.find(
            request.requester, request.params["room_id"], query.ts, forwards=query.dir == "f"
        )
        return json_response(EventThen(found.event.event_id, found.event.origin_server_ts))

    async def tree(self, request: Request) -> Response:
        """Part of a space's tree."""
        query = request.query(HierarchyQuery)
        if (query.limit is not None and query.limit < 1) or (query.max_depth is not None and query.max_depth < 0):
            raise invalid_param("limit and max_depth cannot be negative")
        walk = Walk(
            room_id=request.params["room_id"],
            suggested_only=query.suggested_only,
            max_depth=MAX_DEPTH if query.max_depth is None else min(query.max_depth, MAX_DEPTH),
        )
        rooms, next_batch = await self._hierarchy.page(None, walk, limit=query.limit, since=query.from_)
        shown = [summarised_room(room.summary, children=room.children) for room in rooms]
        return json_response(Tree(shown, next_batch))
