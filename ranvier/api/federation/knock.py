"""Users of other servers knock on rooms of this one. Spec: server-server API, "Knocking upon a room"."""

from typing import Any

import msgspec
import orjson

from ranvier.api.federation.join import Template, Versions
from ranvier.federation.resident_knock import ResidentKnocks
from ranvier.federation.resident_templates import Templates
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes


class Knocked(msgspec.Struct):
    """What the user is told about the room."""

    knock_room_state: list[dict[str, Any]]


class KnockApi:
    """The endpoints of a resident server."""

    def __init__(self, *, templates: Templates, knocks: ResidentKnocks) -> None:
        self._templates = templates
        self._knocks = knocks

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", "/_matrix/federation/v1/make_knock/{room_id}/{user_id}", self.make, auth=Auth.FEDERATION,
                resource="federation", query=Versions, answer=Template, spec="makeKnock", summary="Propose a knock",
            ),
            *routes(
                "PUT", "/_matrix/federation/v1/send_knock/{room_id}/{event_id}", self.send, auth=Auth.FEDERATION,
                resource="federation", answer=Knocked, spec="sendKnock", summary="Take a knock in",
            ),
        ]  # fmt: skip

    async def make(self, request: Request) -> Response:
        """Propose a knock."""
        room_id, user_id = request.params["room_id"], request.params["user_id"]
        return json_response(await self._templates.knock(request.origin, room_id, user_id, request.query(Versions).ver))

    async def send(self, request: Request) -> Response:
        """Take a knock in."""
        told = await self._knocks.send(
            request.origin, request.params["room_id"], request.params["event_id"], request.json_object()
        )
        return json_response({"knock_room_state": [orjson.Fragment(event) for event in told]})
