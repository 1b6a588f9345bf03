"""`GET /rooms/{}/timestamp_to_event`. Spec: client-server API, "Getting events for a room" (MSC3030)."""

from typing import Annotated, Literal

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.timestamp_to_event import TimestampToEvent

UNSTABLE = ("/_matrix/client/unstable/org.matrix.msc3030/rooms/{room_id}/timestamp_to_event",)


class Moment(msgspec.Struct):
    """From when, and in which direction."""

    ts: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    dir: Literal["f", "b"]


class EventThen(msgspec.Struct):
    """The nearest event."""

    event_id: str
    origin_server_ts: int


class TimestampToEventApi:
    """Finds events by time."""

    def __init__(self, *, finding: TimestampToEvent) -> None:
        self._finding = finding

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/rooms/{room_id}/timestamp_to_event", versions=("v1",)) + UNSTABLE, self.find,
            auth=Auth.USER, guest=True, query=Moment, answer=EventThen, spec="getEventByTimestamp",
            summary="The event nearest to a moment",
        )  # fmt: skip

    async def find(self, request: Request) -> Response:
        """The nearest event."""
        query = request.query(Moment)
        found = await self._finding.find(
            request.requester, request.params["room_id"], query.ts, forwards=query.dir == "f"
        )
        return json_response(EventThen(found.event.event_id, found.event.origin_server_ts))
