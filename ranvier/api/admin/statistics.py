"""`/_synapse/admin/v1/statistics/*` and `fetch_event`. Manual: admin API, "Statistics", "Fetch Event API"."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Ordered, Time
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param, not_found
from ranvier.rooms.user_activity import UserActivity
from ranvier.store.event_cache import EventCache


class MediaUseQuery(Ordered):
    """Whose media, in which order."""

    order_by: Literal["user_id", "displayname", "media_length", "media_count"] = "user_id"
    from_ts: Time = 0
    until_ts: Time | None = None
    search_term: str | None = None


class MediaUse(msgspec.Struct):
    """What one user has uploaded."""

    user_id: str
    displayname: str | None
    media_count: int
    media_length: int


class MediaUsePage(msgspec.Struct):
    """A part of the list: users who have uploaded anything."""

    users: list[MediaUse]
    total: int
    next_token: int | UnsetType = UNSET


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
            *routes("GET", "/_synapse/admin/v1/statistics/users/media", self.media, auth=Auth.ADMIN,
                query=MediaUseQuery, answer=MediaUsePage, summary="What users have uploaded; nothing yet"),
            *routes("GET", "/_synapse/admin/v1/statistics/database/rooms", self.rooms, auth=Auth.ADMIN,
                answer=RoomSizes, summary="The rooms that take most space"),
            *routes("GET", "/_synapse/admin/v1/fetch_event/{event_id}", self.fetch, auth=Auth.ADMIN,
                answer=FetchedEvent, summary="Any event"),
        ]  # fmt: skip

    async def media(self, request: Request) -> Response:
        """Nobody can upload anything yet."""
        query = request.query(MediaUseQuery)
        if query.until_ts is not None and query.until_ts <= query.from_ts:
            raise invalid_param("until_ts must be later than from_ts")
        return json_response(MediaUsePage([], 0))

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
