"""`/_synapse/admin/v1/statistics/database/rooms` and `fetch_event`. Manual: admin API, "Statistics", "Fetch Event API"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import not_found
from ranvier.rooms.user_activity import UserActivity
from ranvier.store.event_cache import EventCache


class RoomSize(msgspec.Struct):
    """What a room's events take."""

    room_id: str
    estimated_size: int
    """Bytes."""


class RoomSizes(msgspec.Struct):
    """The ten largest rooms."""

    rooms: list[RoomSize]


class FetchedEvent(msgspec.Struct):
    """The event as it is sent between servers, with its id."""

    event: dict[str, Any]


class StatisticsApi:
    """Counts, and shows single events."""

    def __init__(self, *, activity: UserActivity, events: EventCache) -> None:
        self._activity = activity
        self._events = events

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v1/statistics/database/rooms", self.rooms, auth=Auth.ADMIN,
                answer=RoomSizes, summary="The rooms that take most space"),
            *routes("GET", "/_synapse/admin/v1/fetch_event/{event_id}", self.fetch, auth=Auth.ADMIN,
                answer=FetchedEvent, summary="Any event"),
        ]  # fmt: skip

    async def rooms(self, request: Request) -> Response:
        """Looks at every event."""
        found = await self._activity.largest_rooms()
        return json_response(RoomSizes([RoomSize(room_id, size) for room_id, size in found]))

    async def fetch(self, request: Request) -> Response:
        """Whoever may see it; what was redacted is shown redacted. 404 if it is not here."""
        event_id = request.params["event_id"]
        stored = (await self._events.by_id([event_id])).get(event_id)
        if stored is None:
            raise not_found("Event not found")
        return json_response({"event": {**stored.event.pdu, "event_id": event_id}})
