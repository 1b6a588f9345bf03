"""`/user/{}/rooms/{}/tags`. Spec: client-server API, "Room Tagging"."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.tags import RoomTags


class Tag(msgspec.Struct):
    """What is said about a tag; further fields are kept."""

    order: float | UnsetType = UNSET


class TagList(msgspec.Struct):
    """The tags of a room."""

    tags: dict[str, Any]


class TagsApi:
    """Tags that users put on rooms."""

    def __init__(self, *, tags: RoomTags) -> None:
        self._tags = tags

    def routes(self) -> list[Route]:
        """The module's routes."""
        one = paths("/user/{user_id}/rooms/{room_id}/tags/{tag}")
        return [
            *routes(
                "GET",
                paths("/user/{user_id}/rooms/{room_id}/tags"),
                self.get,
                auth=Auth.USER,
                answer=TagList,
                spec="getRoomTags",
                summary="The tags of a room",
            ),
            *routes(
                "PUT",
                one,
                self.put,
                auth=Auth.USER,
                body=Tag,
                answer=Nothing,
                spec="setRoomTag",
                summary="Tag a room",
            ),
            *routes(
                "DELETE",
                one,
                self.delete,
                auth=Auth.USER,
                answer=Nothing,
                spec="deleteRoomTag",
                summary="Remove a tag",
            ),
        ]

    async def get(self, request: Request) -> Response:
        """All tags of a room."""
        params = request.params
        return json_response(TagList(await self._tags.get(request.requester, params["user_id"], params["room_id"])))

    async def put(self, request: Request) -> Response:
        """Add a tag, or change what is said about it."""
        params = request.params
        await self._tags.put(
            request.requester, params["user_id"], params["room_id"], params["tag"], request.json_object()
        )
        return EMPTY_OBJECT

    async def delete(self, request: Request) -> Response:
        """Remove a tag."""
        params = request.params
        await self._tags.delete(request.requester, params["user_id"], params["room_id"], params["tag"])
        return EMPTY_OBJECT
