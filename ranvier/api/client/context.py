"""What surrounds an event, and the event itself.

Spec: client-server API, `GET /rooms/{roomId}/context/{eventId}`, `GET /rooms/{roomId}/event/{eventId}`.
"""

from typing import Annotated, Any

import msgspec

from ranvier.api.client.event_answer import ClientEvent
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.filters import NO_EVENT_FILTER, parse_event_filter
from ranvier.rooms.context import Context
from ranvier.rooms.read_event import EventReading


class ContextQuery(msgspec.Struct):
    """How much is wanted."""

    limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    filter: str | None = None
    """A `RoomEventFilter` as JSON."""


class EventContext(msgspec.Struct):
    """An event with its neighbours."""

    event: dict[str, Any]
    events_before: list[dict[str, Any]]
    events_after: list[dict[str, Any]]
    state: list[dict[str, Any]]
    start: str
    end: str


class ContextApi:
    """The endpoints on single events."""

    def __init__(self, *, context: Context, reading: EventReading) -> None:
        self._context = context
        self._reading = reading

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", paths("/rooms/{room_id}/context/{event_id}"), self.around, auth=Auth.USER, guest=True,
                query=ContextQuery, answer=EventContext, spec="getEventContext", summary="An event with its neighbours",
            ),
            *routes(
                "GET", paths("/rooms/{room_id}/event/{event_id}"), self.event, auth=Auth.USER, guest=True,
                answer=ClientEvent, spec="getOneRoomEvent", summary="One event",
            ),
        ]  # fmt: skip

    async def around(self, request: Request) -> Response:
        """An event with its neighbours."""
        query = request.query(ContextQuery)
        found = await self._context.around(
            request.requester,
            request.params["room_id"],
            request.params["event_id"],
            limit=query.limit,
            choice=NO_EVENT_FILTER if query.filter is None else parse_event_filter(query.filter),
        )
        return json_bytes(
            b'{"start":"%b","end":"%b","event":%b,"events_before":[%b],"events_after":[%b],"state":[%b]}'
            % (
                found.start.encode(),
                found.end.encode(),
                found.event,
                b",".join(found.events_before),
                b",".join(found.events_after),
                b",".join(found.state),
            )
        )

    async def event(self, request: Request) -> Response:
        """One event."""
        params = request.params
        return json_bytes(await self._reading.read(request.requester, params["room_id"], params["event_id"]))
