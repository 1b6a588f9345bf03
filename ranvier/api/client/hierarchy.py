"""`GET /rooms/{}/hierarchy`. Spec: client-server API, "Discovering rooms within spaces"."""

import msgspec

from ranvier.api.client.room_summary_json import SummarisedRoom, summarised_room
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.hierarchy import MAX_DEPTH, Hierarchy, Walk


class HierarchyQuery(msgspec.Struct, rename={"from_": "from"}):
    """Which part of the tree."""

    suggested_only: bool = False
    limit: int | None = None
    max_depth: int | None = None
    from_: str | None = None


class Tree(msgspec.Struct, omit_defaults=True):
    """Part of the tree."""

    rooms: list[SummarisedRoom]
    next_batch: str | None = None


class HierarchyApi:
    """Walks spaces."""

    def __init__(self, *, hierarchy: Hierarchy) -> None:
        self._hierarchy = hierarchy

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/rooms/{room_id}/hierarchy", versions=("v1",)), self.page, auth=Auth.USER, guest=True,
            query=HierarchyQuery, answer=Tree, spec="getSpaceHierarchy", summary="The rooms of a space",
        )  # fmt: skip

    async def page(self, request: Request) -> Response:
        """Part of a space's tree."""
        query = request.query(HierarchyQuery)
        if query.limit is not None and query.limit < 1:
            raise invalid_param("limit: expected a number greater than zero")
        if query.max_depth is not None and query.max_depth < 0:
            raise invalid_param("max_depth: cannot be negative")
        walk = Walk(
            room_id=request.params["room_id"],
            suggested_only=query.suggested_only,
            max_depth=MAX_DEPTH if query.max_depth is None else min(query.max_depth, MAX_DEPTH),
        )
        rooms, next_batch = await self._hierarchy.page(
            request.requester.user_id, walk, limit=query.limit, since=query.from_
        )
        return json_response(
            Tree([summarised_room(room.summary, children=room.children) for room in rooms], next_batch)
        )
