"""`/_synapse/admin/v1/federation/destinations`: other servers. Manual: admin API, "Federation API"."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Ordered, next_offset
from ranvier.federation.destination_status import DestinationStatus
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError, not_found
from ranvier.store.destinations import Destination

DESTINATIONS: Final = "/_synapse/admin/v1/federation/destinations"
DESTINATION: Final = DESTINATIONS + "/{destination}"


class DestinationQuery(Ordered):
    """In which order."""

    order_by: Literal[
        "destination", "retry_last_ts", "retry_interval", "failure_ts", "last_successful_stream_ordering"
    ] = "destination"
    destination: str | None = None
    """A part of the name."""


class ShownDestination(msgspec.Struct):
    """One server. `retry_last_ts` and `retry_interval` are 0 while it is well."""

    destination: str
    retry_last_ts: int
    retry_interval: int
    failure_ts: int | None
    last_successful_stream_ordering: int | None


class DestinationPage(msgspec.Struct):
    """A part of the list."""

    destinations: list[ShownDestination]
    total: int
    next_token: str | UnsetType = UNSET


class ShownRoom(msgspec.Struct):
    """A room that the server is in."""

    room_id: str
    stream_ordering: int


class RoomPage(msgspec.Struct):
    """A part of the rooms."""

    rooms: list[ShownRoom]
    total: int
    next_token: str | UnsetType = UNSET


class DestinationsApi:
    """Shows other servers."""

    def __init__(self, *, status: DestinationStatus) -> None:
        self._status = status

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", DESTINATIONS, self.list, auth=Auth.ADMIN, query=DestinationQuery, answer=DestinationPage,
                summary="The servers that this one sends to"),
            *routes("GET", DESTINATION, self.get, auth=Auth.ADMIN, answer=ShownDestination, summary="One server"),
            *routes("GET", f"{DESTINATION}/rooms", self.rooms, auth=Auth.ADMIN, query=Ordered, answer=RoomPage,
                summary="The rooms that a server is in, too"),
            *routes("POST", f"{DESTINATION}/reset_connection", self.reset, auth=Auth.ADMIN, answer=Nothing,
                summary="Try a server again at once"),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """What changed in the last seconds may not be in its place yet."""
        query = request.query(DestinationQuery)
        found, total = await self._status.page(
            order="last_successful_pos" if query.order_by == "last_successful_stream_ordering" else query.order_by,
            name=query.destination,
            offset=query.offset,
            limit=query.limit,
            backwards=query.backwards,
        )
        further = next_offset(query, len(found), total)
        return json_response(
            DestinationPage([_shown(row) for row in found], total, UNSET if further is None else str(further))
        )

    async def get(self, request: Request) -> Response:
        """404 for one that we have nothing to do with."""
        return json_response(_shown(await self._find(request)))

    async def rooms(self, request: Request) -> Response:
        """By id."""
        query, row = request.query(Ordered), await self._find(request)
        found, total = await self._status.rooms(
            row.destination, offset=query.offset, limit=query.limit, backwards=query.backwards
        )
        further = next_offset(query, len(found), total)
        rooms = [ShownRoom(room.room_id, room.stream_pos) for room in found]
        return json_response(RoomPage(rooms, total, UNSET if further is None else str(further)))

    async def reset(self, request: Request) -> Response:
        """400 for one that is well."""
        row = await self._find(request)
        if not self._status.reset(row.destination):
            raise MatrixError(400, "M_UNKNOWN", "The server is not left alone: there is nothing to reset")
        return EMPTY_OBJECT

    async def _find(self, request: Request) -> Destination:
        row = await self._status.one(request.params["destination"])
        if row is None:
            raise not_found("Unknown destination")
        return row


def _shown(row: Destination) -> ShownDestination:
    return ShownDestination(
        row.destination, row.retry_last_ts, row.retry_interval_ms, row.failure_ts, row.last_successful_pos
    )
