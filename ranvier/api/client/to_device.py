"""`PUT /sendToDevice`. Spec: client-server API, "Send-to-Device messaging"."""

from typing import Any

import msgspec

from ranvier.e2ee.plain_messages import parse_plain
from ranvier.e2ee.to_device import ToDevice
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response
from ranvier.http.route import Auth, Route, paths, routes


class ToDeviceMessages(msgspec.Struct):
    """The body: by user and device (or `*`) the content."""

    messages: dict[str, dict[str, dict[str, Any]]]


class ToDeviceApi:
    """Messages between devices."""

    def __init__(self, *, to_device: ToDevice) -> None:
        self._to_device = to_device

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "PUT",
            paths("/sendToDevice/{event_type}/{txn_id}"),
            self.send,
            auth=Auth.USER,
            guest=True,
            body=ToDeviceMessages,
            answer=Nothing,
            spec="sendToDevice",
            summary="Send messages to devices",
        )

    async def send(self, request: Request) -> Response:
        """Send messages; a repetition of the request sends nothing."""
        params = request.params
        messages = parse_plain(request.content) or request.json(ToDeviceMessages).messages
        await self._to_device.send(request.requester, params["event_type"], params["txn_id"], messages)
        return EMPTY_OBJECT
