"""Users of other servers join rooms of this one. Spec: server-server API, "Joining Rooms"."""

from typing import Any, Literal

import msgspec

from ranvier.federation.resident_join import ResidentJoins
from ranvier.federation.resident_templates import Templates
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, routes


class Versions(msgspec.Struct):
    """The room versions that the other server knows; none: version 1."""

    ver: list[str] = []


class Fullness(msgspec.Struct):
    """Whether the other server can do without most member events."""

    omit_members: Literal["true", "false"] = "false"


class Template(msgspec.Struct):
    """A member event to be completed and signed."""

    room_version: str
    event: dict[str, Any]


class Joined(msgspec.Struct):
    """The room as it was before the join, and the join with our signature."""

    auth_chain: list[dict[str, Any]]
    state: list[dict[str, Any]]
    event: dict[str, Any]
    members_omitted: bool
    origin: str
    servers_in_room: list[str] | msgspec.UnsetType = msgspec.UNSET


class JoinApi:
    """The endpoints of a resident server."""

    def __init__(self, *, templates: Templates, joins: ResidentJoins) -> None:
        self._templates = templates
        self._joins = joins

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", "/_matrix/federation/v1/make_join/{room_id}/{user_id}", self.make, auth=Auth.FEDERATION,
                resource="federation", query=Versions, answer=Template, spec="makeJoin",
                summary="Propose a join",
            ),
            *routes(
                "PUT", "/_matrix/federation/v1/send_join/{room_id}/{event_id}", self.send_v1, auth=Auth.FEDERATION,
                resource="federation", spec="sendJoinV1", summary="Take a join in (older form)",
            ),
            *routes(
                "PUT", "/_matrix/federation/v2/send_join/{room_id}/{event_id}", self.send, auth=Auth.FEDERATION,
                resource="federation", query=Fullness, answer=Joined, spec="sendJoinV2", summary="Take a join in",
            ),
        ]  # fmt: skip

    async def make(self, request: Request) -> Response:
        """Propose a join."""
        room_id, user_id = request.params["room_id"], request.params["user_id"]
        return json_response(await self._templates.join(request.origin, room_id, user_id, request.query(Versions).ver))

    async def send(self, request: Request) -> Response:
        """Take a join in."""
        omit_members = request.query(Fullness).omit_members == "true"
        return json_bytes(await self._send(request, omit_members=omit_members))

    async def send_v1(self, request: Request) -> Response:
        """The same, with an answer in a list, as servers from before the second version want it."""
        return json_bytes(b"[200," + await self._send(request, omit_members=False) + b"]")

    async def _send(self, request: Request, *, omit_members: bool) -> bytes:
        room_id, event_id = request.params["room_id"], request.params["event_id"]
        return await self._joins.send(
            request.origin, room_id, event_id, request.json_object(), omit_members=omit_members
        )
