"""Names of rooms. Spec: client-server API, "Room Aliases"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.aliases import Aliases
from ranvier.users.suspension import check_active


class Named(msgspec.Struct):
    """The room to name."""

    room_id: str


class Resolved(msgspec.Struct):
    """The room that has a name, and servers which know it."""

    room_id: str
    servers: list[str]


class LocalAliases(msgspec.Struct):
    """The names of a room."""

    aliases: list[str]


class DirectoryApi:
    """Looks up, gives and takes aliases."""

    def __init__(self, *, aliases: Aliases) -> None:
        self._aliases = aliases

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = paths("/directory/room/{room_alias}")
        return [
            *routes(
                "GET", at, self.get, auth=Auth.NONE, answer=Resolved, spec="getRoomIdByAlias",
                summary="The room that an alias names",
            ),
            *routes(
                "PUT", at, self.put, auth=Auth.USER, body=Named, answer=dict, spec="setRoomAlias",
                summary="Give a room an alias",
            ),
            *routes(
                "DELETE", at, self.delete, auth=Auth.USER, answer=dict, spec="deleteRoomAlias",
                summary="Remove an alias",
            ),
            *routes(
                "GET", paths("/rooms/{room_id}/aliases"), self.of_room, auth=Auth.USER, answer=LocalAliases,
                spec="getLocalAliases", summary="A room's aliases on this server",
            ),
        ]  # fmt: skip

    async def get(self, request: Request) -> Response:
        """Resolve an alias."""
        room_id, servers = await self._aliases.resolve(request.params["room_alias"])
        return json_response(Resolved(room_id, servers))

    async def put(self, request: Request) -> Response:
        """Make an alias."""
        check_active(request.requester)
        await self._aliases.create(request.requester, request.params["room_alias"], request.json(Named).room_id)
        return EMPTY_OBJECT

    async def delete(self, request: Request) -> Response:
        """Remove an alias."""
        check_active(request.requester)
        await self._aliases.delete(request.requester, request.params["room_alias"])
        return EMPTY_OBJECT

    async def of_room(self, request: Request) -> Response:
        """The aliases of a room."""
        return json_response(LocalAliases(await self._aliases.of_room(request.requester, request.params["room_id"])))
