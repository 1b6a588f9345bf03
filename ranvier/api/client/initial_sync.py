"""Starting and following, the way from before `/sync`; looking into rooms.

Spec: client-server API, "Room Previews", and the deprecated `GET /initialSync`, `GET /rooms/{}/initialSync`,
`GET /events`, `GET /events/{}`.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.client.event_answer import ClientEvent
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.event_stream import EventStream
from ranvier.rooms.initial_sync import DEFAULT_LIMIT, InitialSync
from ranvier.rooms.read_event import EventReading
from ranvier.rooms.timeline_token import timeline_pos

LONGEST_WAIT_MS: Final = 600_000

Limit = Annotated[int, msgspec.Meta(ge=0)]


class RoomQuery(msgspec.Struct):
    """How many messages."""

    limit: Limit = DEFAULT_LIMIT


class EverythingQuery(RoomQuery):
    """Whether rooms that were left belong to it."""

    archived: bool = False


class EventsQuery(msgspec.Struct, rename={"from_": "from"}):
    """From where, how long to wait, and in which room."""

    from_: str | None = None
    timeout: int = 0
    room_id: str | None = None


class Events(msgspec.Struct):
    """New events."""

    start: str
    end: str
    chunk: list[dict[str, Any]]


class Messages(msgspec.Struct):
    """The newest events of a room."""

    end: str
    chunk: list[dict[str, Any]]
    start: str | UnsetType = UNSET


class RoomNow(msgspec.Struct):
    """A room as it is; who has left it is told how it was."""

    room_id: str
    membership: str | UnsetType = UNSET
    visibility: str | UnsetType = UNSET
    messages: Messages | UnsetType = UNSET
    state: list[dict[str, Any]] | UnsetType = UNSET
    account_data: list[dict[str, Any]] | UnsetType = UNSET
    invite: dict[str, Any] | UnsetType = UNSET
    presence: list[dict[str, Any]] | UnsetType = UNSET
    receipts: list[dict[str, Any]] | UnsetType = UNSET


class Everything(msgspec.Struct):
    """All rooms as they are."""

    end: str
    presence: list[dict[str, Any]]
    rooms: list[RoomNow]
    account_data: list[dict[str, Any]] | UnsetType = UNSET
    receipts: list[dict[str, Any]] | UnsetType = UNSET


class InitialSyncApi:
    """The older ways."""

    def __init__(self, *, initial_sync: InitialSync, stream: EventStream, reading: EventReading) -> None:
        self._initial_sync = initial_sync
        self._stream = stream
        self._reading = reading

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", paths("/rooms/{room_id}/initialSync"), self.room, auth=Auth.USER, guest=True, query=RoomQuery,
                answer=RoomNow, spec="roomInitialSync", summary="A room's state and newest messages",
            ),
            *routes(
                "GET", paths("/initialSync"), self.everything, auth=Auth.USER, query=EverythingQuery,
                answer=Everything, spec="initialSync", summary="All rooms of the user",
            ),
            *routes(
                "GET", paths("/events"), self.events, auth=Auth.USER, guest=True, query=EventsQuery, answer=Events,
                spec="getEvents, peekEvents", summary="New events",
            ),
            *routes(
                "GET", paths("/events/{event_id}"), self.event, auth=Auth.USER, answer=ClientEvent,
                spec="getOneEvent", summary="One event",
            ),
        ]  # fmt: skip

    async def room(self, request: Request) -> Response:
        """A room as it is."""
        limit = request.query(RoomQuery).limit
        return json_response(await self._initial_sync.room(request.requester, request.params["room_id"], limit=limit))

    async def everything(self, request: Request) -> Response:
        """Every room as it is."""
        query = request.query(EverythingQuery)
        return json_response(
            await self._initial_sync.everything(request.requester, limit=query.limit, archived=query.archived)
        )

    async def events(self, request: Request) -> Response:
        """What is new."""
        query = request.query(EventsQuery)
        page = await self._stream.events(
            request.requester,
            room_id=query.room_id,
            since=None if query.from_ is None else timeline_pos(query.from_, name="from"),
            timeout_ms=max(0, min(query.timeout, LONGEST_WAIT_MS)),
        )
        start = page.start if query.from_ is None else query.from_
        parts = [
            b'{"start":', msgspec.json.encode(start), b',"end":', msgspec.json.encode(page.end),
            b',"chunk":[', b",".join(page.chunk), b"]}",
        ]  # fmt: skip
        return json_bytes(b"".join(parts))

    async def event(self, request: Request) -> Response:
        """An event, wherever it is."""
        return json_bytes(await self._reading.read_anywhere(request.requester, request.params["event_id"]))
