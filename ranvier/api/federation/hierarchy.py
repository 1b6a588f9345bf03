"""Spaces for other servers. Spec: server-server API, "Spaces"."""

import msgspec

from ranvier.api.client.room_summary_json import SummarisedRoom, summarised_room
from ranvier.federation.serve_hierarchy import HierarchyServing
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes


class Which(msgspec.Struct):
    """Whether only suggested children count."""

    suggested_only: bool = False


class Space(msgspec.Struct):
    """A room and what is in it."""

    room: SummarisedRoom
    children: list[SummarisedRoom]
    inaccessible_children: list[str]


class HierarchyApi:
    """Describes spaces."""

    def __init__(self, *, hierarchy: HierarchyServing) -> None:
        self._hierarchy = hierarchy

    def routes(self) -> list[Route]:
        """The module's routes; the second is from before the first was in the spec (MSC2946)."""
        at = (
            "/_matrix/federation/v1/hierarchy/{room_id}",
            "/_matrix/federation/unstable/org.matrix.msc2946/hierarchy/{room_id}",
        )
        return routes(
            "GET", at, self.space, auth=Auth.FEDERATION, resource="federation", query=Which, answer=Space,
            spec="getSpaceHierarchy", summary="A space and its children",
        )  # fmt: skip

    async def space(self, request: Request) -> Response:
        """A space and its children."""
        suggested_only = request.query(Which).suggested_only
        found = await self._hierarchy.space(request.origin, request.params["room_id"], suggested_only=suggested_only)
        return json_response(
            Space(
                summarised_room(found.room, children=found.children_state),
                [summarised_room(child) for child in found.children],
                found.inaccessible,
            )
        )
