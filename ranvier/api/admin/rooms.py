"""`/_synapse/admin/v1/rooms`: the list of rooms, and one of them. Manual: admin API, "Rooms"."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Ordered, next_offset
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.room_administration import RoomAdministration, RoomDetails
from ranvier.store.room_list import ListedRoom, Order, RoomFilter

ROOM: Final = "/_synapse/admin/v1/rooms/{room_id}"


class RoomQuery(Ordered):
    """Which rooms, in which order."""

    order_by: Order = "name"
    search_term: str | None = None
    public_rooms: bool | None = None
    empty_rooms: bool | None = None


class ShownRoom(msgspec.Struct):
    """One room in the list."""

    room_id: str
    name: str | None
    canonical_alias: str | None
    joined_members: int
    joined_local_members: int
    version: str
    creator: str
    encryption: str | None
    federatable: bool
    public: bool
    join_rules: str | None
    guest_access: str | None
    history_visibility: str | None
    state_events: int
    room_type: str | None


class RoomPage(msgspec.Struct):
    """A part of the list."""

    rooms: list[ShownRoom]
    offset: int
    total_rooms: int
    next_batch: int | UnsetType = UNSET
    prev_batch: int | UnsetType = UNSET


class ShownDetails(ShownRoom):
    """One room, with more."""

    topic: str | None
    avatar: str | None
    joined_local_devices: int
    forgotten: bool
    tombstoned: bool
    replacement_room: str | None


class Members(msgspec.Struct):
    """Who is in a room."""

    members: list[str]
    total: int


class StateQuery(msgspec.Struct):
    """Which events."""

    type: str | None = None


class State(msgspec.Struct):
    """State events."""

    state: list[dict[str, Any]]


class AdminRoomsApi:
    """Shows rooms."""

    def __init__(self, *, rooms: RoomAdministration) -> None:
        self._rooms = rooms

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v1/rooms", self.page, auth=Auth.ADMIN, query=RoomQuery, answer=RoomPage,
                summary="The rooms that this server is or was in"),
            *routes("GET", ROOM, self.details, auth=Auth.ADMIN, answer=ShownDetails, summary="One room"),
            *routes("GET", f"{ROOM}/members", self.members, auth=Auth.ADMIN, answer=Members,
                summary="Who is in a room"),
            *routes("GET", f"{ROOM}/state", self.state, auth=Auth.ADMIN, query=StateQuery, answer=State,
                summary="A room's state"),
        ]  # fmt: skip

    async def page(self, request: Request) -> Response:
        """A part of the list."""
        query = request.query(RoomQuery)
        if query.search_term == "":
            raise invalid_param("search_term cannot be an empty string")
        wanted = RoomFilter(term=query.search_term, public=query.public_rooms, empty=query.empty_rooms)
        found, total = await self._rooms.page(
            wanted, order=query.order_by, offset=query.offset, limit=query.limit, backwards=query.backwards
        )
        further = next_offset(query, len(found), total)
        shown = [ShownRoom(**_fields(room)) for room in found]
        before = max(0, query.offset - query.limit) if query.offset > 0 else UNSET
        return json_response(RoomPage(shown, query.offset, total, UNSET if further is None else further, before))

    async def details(self, request: Request) -> Response:
        """One room."""
        return json_response(_details(await self._rooms.details(request.params["room_id"])))

    async def members(self, request: Request) -> Response:
        """Who is in it."""
        members = await self._rooms.members(request.params["room_id"])
        return json_response(Members(members, len(members)))

    async def state(self, request: Request) -> Response:
        """Its state."""
        state = await self._rooms.state(request.params["room_id"], request.query(StateQuery).type)
        return json_bytes(b'{"state":[%b]}' % b",".join(state))


def _fields(room: ListedRoom) -> dict[str, Any]:
    return {name: getattr(room, name) for name in ShownRoom.__struct_fields__}


def _details(found: RoomDetails) -> ShownDetails:
    return ShownDetails(
        **_fields(found.room),
        topic=found.room.topic,
        avatar=found.room.avatar,
        joined_local_devices=found.joined_local_devices,
        forgotten=found.forgotten,
        tombstoned=found.tombstoned,
        replacement_room=found.replacement_room,
    )
