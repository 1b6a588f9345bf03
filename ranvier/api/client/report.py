"""Reporting events, rooms and users. Spec: client-server API, "Reporting Content"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.report import Reports


class EventReport(msgspec.Struct):
    """What is wrong with an event. `score` is of older clients."""

    reason: str | None = None
    score: int | None = None


class Report(msgspec.Struct):
    """What is wrong with a room or a user."""

    reason: str


class ReportApi:
    """Takes reports."""

    def __init__(self, *, reports: Reports) -> None:
        self._reports = reports

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "POST", paths("/rooms/{room_id}/report/{event_id}"), self.report_event, auth=Auth.USER,
                limit="rc_reports", body=EventReport, answer=dict, spec="reportEvent", summary="Report an event",
            ),
            *routes(
                "POST", paths("/rooms/{room_id}/report"), self.report_room, auth=Auth.USER, limit="rc_reports",
                body=Report, answer=dict, spec="reportRoom", summary="Report a room",
            ),
            *routes(
                "POST", paths("/users/{user_id}/report"), self.report_user, auth=Auth.USER, limit="rc_reports",
                body=Report, answer=dict, spec="reportUser", summary="Report a user",
            ),
        ]  # fmt: skip

    async def report_event(self, request: Request) -> Response:
        """Report an event."""
        body, params = request.json(EventReport), request.params
        await self._reports.report_event(
            request.requester, params["room_id"], params["event_id"], reason=body.reason, score=body.score
        )
        return EMPTY_OBJECT

    async def report_room(self, request: Request) -> Response:
        """Report a room."""
        reason = request.json(Report).reason
        await self._reports.report_room(request.requester, request.params["room_id"], reason=reason)
        return EMPTY_OBJECT

    async def report_user(self, request: Request) -> Response:
        """Report a user."""
        reason = request.json(Report).reason
        await self._reports.report_user(request.requester, request.params["user_id"], reason=reason)
        return EMPTY_OBJECT
