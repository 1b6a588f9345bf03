"""`POST /rooms/{}/receipt/{}/{}`. Spec: client-server API, "Receipts"."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.read_markers import MARKERS, ReadMarkers


class ReceiptBody(msgspec.Struct):
    """For which thread; without a body, for none."""

    thread_id: str | UnsetType = UNSET


class ReceiptsApi:
    """One receipt at a time."""

    def __init__(self, *, markers: ReadMarkers) -> None:
        self._markers = markers

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            paths("/rooms/{room_id}/receipt/{receipt_type}/{event_id}"),
            self.send,
            auth=Auth.USER,
            body=ReceiptBody,
            answer=Nothing,
            spec="postReceipt",
            summary="Mark the timeline as read up to an event",
        )

    async def send(self, request: Request) -> Response:
        """Set one receipt, or the fully read marker."""
        params = request.params
        kind = params["receipt_type"]
        if kind not in MARKERS:
            raise invalid_param(f"Receipt type must be one of {', '.join(sorted(MARKERS))}")
        body = request.json_object() if request.content else {}
        thread = body.get("thread_id")
        if "thread_id" in body and not isinstance(thread, str):
            raise invalid_param("thread_id: must be a string")
        await self._markers.set(request.requester, params["room_id"], {kind: params["event_id"]}, thread=thread)
        return EMPTY_OBJECT
