"""Paging through a room's timeline.

Spec: client-server API, `GET /rooms/{roomId}/messages`.
"""

from typing import Annotated, Any, Literal

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.filters import NO_EVENT_FILTER, parse_event_filter
from ranvier.rooms.messages import Messages
from ranvier.rooms.timeline_token import timeline_pos


class MessagesQuery(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """Which part of the timeline is wanted."""

    dir: Literal["b", "f"]
    since: str | None = None
    until: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    filter: str | None = None
    """A `RoomEventFilter` as JSON."""


class MessagesPage(msgspec.Struct, omit_defaults=True):
    """A part of the timeline."""

    start: str
    chunk: list[dict[str, Any]]
    end: str | None = None
    state: list[dict[str, Any]] = []


class MessagesApi:
    """The endpoint on a room's timeline."""

    def __init__(self, *, messages: Messages) -> None:
        self._messages = messages

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/rooms/{room_id}/messages"), self.page, auth=Auth.USER, guest=True,
            query=MessagesQuery, answer=MessagesPage, spec="getRoomEvents", summary="A page of a room's timeline",
        )  # fmt: skip

    async def page(self, request: Request) -> Response:
        """A page of the timeline."""
        return await self.answer(request, request.query(MessagesQuery))

    async def answer(self, request: Request, query: MessagesQuery) -> Response:
        """The page that is asked for."""
        page = await self._messages.page(
            request.requester,
            request.params["room_id"],
            backwards=query.dir == "b",
            since=None if query.since is None else timeline_pos(query.since, name="from"),
            until=None if query.until is None else timeline_pos(query.until, name="to"),
            limit=query.limit,
            choice=NO_EVENT_FILTER if query.filter is None else parse_event_filter(query.filter),
        )
        # The client's own token, whatever kind it is of: `start` is what was given in `from`.
        start = page.start if query.since is None else query.since
        parts = [b'{"chunk":[', b",".join(page.chunk), b'],"start":', msgspec.json.encode(start)]
        if page.end is not None:
            parts += (b',"end":"', page.end.encode(), b'"')
        if page.state:
            parts += (b',"state":[', b",".join(page.state), b"]")
        parts.append(b"}")
        return json_bytes(b"".join(parts))
