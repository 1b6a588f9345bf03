"""Past events for other servers. Spec: server-server API, "Backfilling and retrieving missing events"."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from ranvier.federation.serve_history import Gap, HistoryServing
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.ports import Clock


class From(msgspec.Struct):
    """From which events on backwards, and how many."""

    v: list[str]
    limit: int


class MissingEvents(msgspec.Struct):
    """What the other server misses."""

    earliest_events: list[str]
    latest_events: list[str]
    limit: int = 10
    min_depth: int = 0


class Events(msgspec.Struct):
    """Events in the form of their room version."""

    events: list[dict[str, Any]]


class Pdus(msgspec.Struct):
    """Events as a transaction."""

    origin: str
    origin_server_ts: int
    pdus: list[dict[str, Any]]


class Moment(msgspec.Struct):
    """From when, and in which direction."""

    ts: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    dir: Literal["f", "b"]


class EventThen(msgspec.Struct):
    """The nearest event."""

    event_id: str
    origin_server_ts: int


class HistoryApi:
    """Hands out past events."""

    def __init__(self, *, history: HistoryServing, clock: Clock, server_name: str) -> None:
        self._history = history
        self._clock = clock
        self._server_name = msgspec.json.encode(server_name)

    def routes(self) -> list[Route]:
        """The module's routes."""
        api = "/_matrix/federation/v1"
        return [
            *routes(
                "GET", f"{api}/backfill/{{room_id}}", self.backfill, auth=Auth.FEDERATION, resource="federation",
                query=From, answer=Pdus, spec="backfillRoom", summary="Events, and what came before them",
            ),
            *routes(
                "POST", f"{api}/get_missing_events/{{room_id}}", self.missing_events, auth=Auth.FEDERATION,
                resource="federation", body=MissingEvents, answer=Events, spec="getMissingPreviousEvents",
                summary="The events between others",
            ),
            *routes(
                "GET", f"{api}/event/{{event_id}}", self.event, auth=Auth.FEDERATION, resource="federation",
                answer=Pdus, spec="getEvent", summary="One event",
            ),
            *routes(
                "GET", f"{api}/timestamp_to_event/{{room_id}}", self.event_at, auth=Auth.FEDERATION,
                resource="federation", query=Moment, answer=EventThen, spec="getEventByTimestamp",
                summary="The event nearest to a moment",
            ),
        ]  # fmt: skip

    async def backfill(self, request: Request) -> Response:
        """Events, and what came before them."""
        start = request.query(From)
        return self._pdus(await self._history.backfill(request.origin, request.params["room_id"], start.v, start.limit))

    async def missing_events(self, request: Request) -> Response:
        """The events between others."""
        body = request.json(MissingEvents)
        gap = Gap(latest=body.latest_events, earliest=body.earliest_events, limit=body.limit, min_depth=body.min_depth)
        events = await self._history.missing_events(request.origin, request.params["room_id"], gap)
        return json_bytes(b'{"events":[%b]}' % b",".join(events))

    async def event(self, request: Request) -> Response:
        """One event."""
        return self._pdus([await self._history.event(request.origin, request.params["event_id"])])

    async def event_at(self, request: Request) -> Response:
        """The event nearest to a moment."""
        query = request.query(Moment)
        found = await self._history.event_at(
            request.origin, request.params["room_id"], query.ts, forwards=query.dir == "f"
        )
        return json_response(EventThen(found.event.event_id, found.event.origin_server_ts))

    def _pdus(self, events: Sequence[bytes]) -> Response:
        head = b'{"origin":%b,"origin_server_ts":%d,"pdus":[' % (self._server_name, self._clock.now_ms())
        return json_bytes(head + b",".join(events) + b"]}")
