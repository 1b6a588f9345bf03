"""Sending messages and redactions. Spec: client-server API, "Sending events to a room", "Redactions"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.send import Sending
from ranvier.users.suspension import check_active


class EventSent(msgspec.Struct):
    """The answer of everything that sends an event."""

    event_id: str


class Redaction(msgspec.Struct):
    """The body of a redaction request."""

    reason: str | None = None


class RoomSendApi:
    """`PUT /rooms/{}/send` and `PUT /rooms/{}/redact`."""

    def __init__(self, *, sending: Sending) -> None:
        self._sending = sending

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "PUT",
                paths("/rooms/{room_id}/send/{event_type}/{txn_id}"),
                self.send_message,
                auth=Auth.USER,
                guest=True,
                limit="rc_message",
                body=dict[str, Any],
                answer=EventSent,
                spec="sendMessage",
                summary="Send a message event",
            ),
            *routes(
                "PUT",
                paths("/rooms/{room_id}/redact/{event_id}/{txn_id}"),
                self.redact,
                auth=Auth.USER,
                body=Redaction,
                answer=EventSent,
                spec="redactEvent",
                summary="Redact an event",
            ),
        ]

    async def send_message(self, request: Request) -> Response:
        """Send an event; a repetition of the request gives the same event id."""
        params, requester = request.params, request.requester
        if requester.suspended and params["event_type"] != "m.room.redaction":
            check_active(requester)
        event_id = await self._sending.send_message(
            requester, params["room_id"], params["event_type"], request.json_object(), params["txn_id"]
        )
        return json_response(EventSent(event_id))

    async def redact(self, request: Request) -> Response:
        """Redact an event; a repetition of the request gives the same redaction."""
        params = request.params
        reason = request.json(Redaction).reason
        event_id = await self._sending.send_redaction(
            request.requester, params["room_id"], params["event_id"], reason, params["txn_id"]
        )
        return json_response(EventSent(event_id))
