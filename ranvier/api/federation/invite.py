"""Users of other servers invite ours. Spec: server-server API, "Inviting to a room"."""

from typing import Any

import msgspec

from ranvier.federation.invited import InvitedByOthers
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.events import Event
from ranvier.proto.handshakes.member_request import known_version
from ranvier.proto.handshakes.told_state import early_version
from ranvier.proto.room_versions import RoomVersion
from ranvier.ratelimit import RateLimiter


class Invitation(msgspec.Struct):
    """The body of the second version."""

    room_version: str
    event: dict[str, Any]
    invite_room_state: Any = None


class Signed(msgspec.Struct):
    """The invitation with our signature."""

    event: dict[str, Any]


class InviteApi:
    """The endpoint of the invited user's server. `limit` counts the invitations of one user."""

    def __init__(self, *, invited: InvitedByOthers, limit: RateLimiter) -> None:
        self._invited = invited
        self._limit = limit

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "PUT", "/_matrix/federation/v1/invite/{room_id}/{event_id}", self.invite_v1, auth=Auth.FEDERATION,
                resource="federation", spec="sendInviteV1", summary="Take an invitation in (older form)",
            ),
            *routes(
                "PUT", "/_matrix/federation/v2/invite/{room_id}/{event_id}", self.invite, auth=Auth.FEDERATION,
                resource="federation", body=Invitation, answer=Signed, spec="sendInviteV2",
                summary="Take an invitation in",
            ),
        ]  # fmt: skip

    async def invite(self, request: Request) -> Response:
        """Sign an invitation, and tell the user."""
        body = request.json(Invitation)
        signed = await self._receive(request, body.event, known_version(body.room_version), body.invite_room_state)
        return json_bytes(_answer(signed, {}))

    async def invite_v1(self, request: Request) -> Response:
        """The same for rooms of the first versions, whose invitations do not name theirs."""
        pdu = request.json_object()
        unsigned = pdu.get("unsigned")
        beside = unsigned if isinstance(unsigned, dict) else {}
        told = beside.get("invite_room_state")
        signed = await self._receive(request, pdu, early_version(told), told)
        return json_bytes(b"[200," + _answer(signed, beside) + b"]")

    async def _receive(self, request: Request, pdu: dict[str, Any], version: RoomVersion, told: object) -> Event:
        target = pdu.get("state_key")
        if isinstance(target, str):
            self._limit.spend(target)
        return await self._invited.receive(
            request.origin, request.params["room_id"], request.params["event_id"], pdu, version, told=told
        )


def _answer(signed: Event, unsigned: dict[str, Any]) -> bytes:
    event = encode_lenient({**signed.pdu, "unsigned": unsigned}) if unsigned else signed.json
    return b'{"event":' + event + b"}"
