"""Users of other servers leave rooms of this one, or turn down invitations to them.

Spec: server-server API, "Leaving Rooms (Rejecting Invites)".
"""

from ranvier.api.federation.join import Template
from ranvier.federation.resident_leave import ResidentLeaves
from ranvier.federation.resident_templates import Templates
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, routes


class LeaveApi:
    """The endpoints of a resident server."""

    def __init__(self, *, templates: Templates, leaves: ResidentLeaves) -> None:
        self._templates = templates
        self._leaves = leaves

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET", "/_matrix/federation/v1/make_leave/{room_id}/{user_id}", self.make, auth=Auth.FEDERATION,
                resource="federation", answer=Template, spec="makeLeave", summary="Propose a leave",
            ),
            *routes(
                "PUT", "/_matrix/federation/v1/send_leave/{room_id}/{event_id}", self.send_v1, auth=Auth.FEDERATION,
                resource="federation", spec="sendLeaveV1", summary="Take a leave in (older form)",
            ),
            *routes(
                "PUT", "/_matrix/federation/v2/send_leave/{room_id}/{event_id}", self.send, auth=Auth.FEDERATION,
                resource="federation", spec="sendLeaveV2", summary="Take a leave in",
            ),
        ]  # fmt: skip

    async def make(self, request: Request) -> Response:
        """Propose a leave."""
        room_id, user_id = request.params["room_id"], request.params["user_id"]
        return json_response(await self._templates.leave(request.origin, room_id, user_id))

    async def send(self, request: Request) -> Response:
        """Take a leave in."""
        await self._leaves.send(
            request.origin, request.params["room_id"], request.params["event_id"], request.json_object()
        )
        return EMPTY_OBJECT

    async def send_v1(self, request: Request) -> Response:
        """The same, with an answer in a list, as servers from before the second version want it."""
        await self.send(request)
        return json_bytes(b"[200,{}]")
