"""`POST /rooms/{}/read_markers`. Spec: client-server API, "Read and unread markers"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.read_markers import FULLY_READ, READ, READ_PRIVATE, ReadMarkers


class Markers(msgspec.Struct):
    """The body: an event id for each marker that is to be set."""

    fully_read: str | None = msgspec.field(default=None, name=FULLY_READ)
    read: str | None = msgspec.field(default=None, name=READ)
    read_private: str | None = msgspec.field(default=None, name=READ_PRIVATE)


class ReadMarkersApi:
    """All markers of a room in one request."""

    def __init__(self, *, markers: ReadMarkers) -> None:
        self._markers = markers

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            paths("/rooms/{room_id}/read_markers"),
            self.set,
            auth=Auth.USER,
            body=Markers,
            answer=dict[str, Any],
            spec="setReadMarker",
            summary="Set the fully read marker and receipts",
        )

    async def set(self, request: Request) -> Response:
        """Set those markers that the body names."""
        body = request.json(Markers)
        wanted = {FULLY_READ: body.fully_read, READ: body.read, READ_PRIVATE: body.read_private}
        await self._markers.set(
            request.requester,
            request.params["room_id"],
            {kind: event_id for kind, event_id in wanted.items() if event_id is not None},
        )
        return EMPTY_OBJECT
