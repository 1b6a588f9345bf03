"""Letting users into rooms, giving power there, blocking rooms, joining their ends.

Manual: admin API, "Rooms", "Edit Room Membership", "Block Room".
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.rooms import ROOM
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.rooms.blocked_rooms import BlockedRooms
from ranvier.rooms.room_administration import RoomAdministration, check_room_id


class Newcomer(msgspec.Struct):
    """Who is to join."""

    user_id: str


class JoinQuery(msgspec.Struct):
    """Servers that know the room."""

    server_name: list[str] = msgspec.field(default_factory=list)
    via: list[str] = msgspec.field(default_factory=list)


class Joined(msgspec.Struct):
    """Which room it is."""

    room_id: str


class NewAdmin(msgspec.Struct):
    """Whom to give power; by default who asks."""

    user_id: str | None = None


class Block(msgspec.Struct):
    """Whether nobody may enter."""

    block: bool


class BlockStatus(msgspec.Struct):
    """Whether nobody may enter, and who has said so."""

    block: bool
    user_id: str | UnsetType = UNSET


class ShownExtremity(msgspec.Struct):
    """An end of a room's history."""

    event_id: str
    state_group: int
    depth: int
    received_ts: int


class Extremities(msgspec.Struct):
    """All of a room."""

    count: int
    results: list[ShownExtremity]


class DeletedExtremities(msgspec.Struct):
    """How many are gone."""

    deleted: int


class RoomControlApi:
    """Acts on rooms."""

    def __init__(self, *, rooms: RoomAdministration, blocked: BlockedRooms) -> None:
        self._rooms = rooms
        self._blocked = blocked

    def routes(self) -> list[Route]:
        """The module's routes."""
        v1 = "/_synapse/admin/v1"
        extremities = f"{v1}/rooms/{{room_id_or_alias}}/forward_extremities"
        return [
            *routes("POST", f"{v1}/join/{{room_id_or_alias}}", self.join, auth=Auth.ADMIN, body=Newcomer,
                query=JoinQuery, answer=Joined, summary="Let a user of this server join a room"),
            *routes("POST", f"{v1}/rooms/{{room_id_or_alias}}/make_room_admin", self.make_admin, auth=Auth.ADMIN,
                body=NewAdmin, answer=dict[str, Any], summary="Give a user the greatest power that a user here has"),
            *routes("PUT", f"{ROOM}/block", self.block, auth=Auth.ADMIN, body=Block, answer=Block,
                summary="Let nobody enter a room, or whoever may again"),
            *routes("GET", f"{ROOM}/block", self.block_status, auth=Auth.ADMIN, answer=BlockStatus,
                summary="Whether nobody may enter a room"),
            *routes("GET", extremities, self.extremities, auth=Auth.ADMIN, answer=Extremities,
                summary="The ends of a room's history"),
            *routes("DELETE", extremities, self.join_extremities, auth=Auth.ADMIN, answer=DeletedExtremities,
                summary="Join the ends of a room's history"),
        ]  # fmt: skip

    async def join(self, request: Request) -> Response:
        """Let a user join."""
        query = request.query(JoinQuery)
        room_id = await self._rooms.join(
            request.requester,
            request.params["room_id_or_alias"],
            request.json(Newcomer).user_id,
            [*query.server_name, *query.via],
        )
        return json_response(Joined(room_id))

    async def make_admin(self, request: Request) -> Response:
        """Give power."""
        target = request.json(NewAdmin).user_id
        await self._rooms.make_admin(request.requester, request.params["room_id_or_alias"], target)
        return json_response({})

    async def block(self, request: Request) -> Response:
        """Block or unblock; the room need not be known."""
        room_id, wanted = request.params["room_id"], request.json(Block).block
        check_room_id(room_id)
        if wanted:
            await self._blocked.block(room_id, request.requester.user_id)
        else:
            await self._blocked.unblock(room_id)
        return json_response(Block(wanted))

    async def block_status(self, request: Request) -> Response:
        """Whether it is blocked."""
        check_room_id(request.params["room_id"])
        user_id = self._blocked.by(request.params["room_id"])
        return json_response(BlockStatus(user_id is not None, UNSET if user_id is None else user_id))

    async def extremities(self, request: Request) -> Response:
        """The ends."""
        found = await self._rooms.extremities(request.params["room_id_or_alias"])
        shown = [ShownExtremity(one.event_id, one.state_no, one.depth, one.received_ts) for one in found]
        return json_response(Extremities(len(shown), shown))

    async def join_extremities(self, request: Request) -> Response:
        """Join them."""
        return json_response(DeletedExtremities(await self._rooms.join_extremities(request.params["room_id_or_alias"])))
