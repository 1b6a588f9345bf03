"""`/_synapse/admin/v1/event_reports`: what users have reported. Manual: admin API, "Event Reports"."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import GREATEST, Direction, Page, next_offset
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.report import Reports
from ranvier.store.reports import EventReport

REPORTS: Final = "/_synapse/admin/v1/event_reports"
REPORT: Final = REPORTS + "/{report_id}"


class ReportQuery(Page):
    """Which reports: by parts of the reporter's and the room's id, and by whose event it is."""

    dir: Direction = "b"
    user_id: str | None = None
    room_id: str | None = None
    event_sender_user_id: str | None = None


class ShownReport(msgspec.Struct):
    """One report."""

    id: int
    received_ts: int
    room_id: str
    name: str | None
    canonical_alias: str | None
    event_id: str
    sender: str | None
    user_id: str
    """Who has reported it."""
    reason: str | None
    score: int | None
    event_json: dict[str, Any] | UnsetType | None = UNSET


class ReportPage(msgspec.Struct):
    """A part of the list."""

    event_reports: list[ShownReport]
    total: int
    next_token: int | UnsetType = UNSET


class EventReportsApi:
    """Shows and deletes reports."""

    def __init__(self, *, reports: Reports) -> None:
        self._reports = reports

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", REPORTS, self.list, auth=Auth.ADMIN, query=ReportQuery, answer=ReportPage,
                summary="Events that users have reported"),
            *routes("GET", REPORT, self.get, auth=Auth.ADMIN, answer=ShownReport, summary="One report, with its event"),
            *routes("DELETE", REPORT, self.delete, auth=Auth.ADMIN, answer=Nothing, summary="Delete a report"),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """The newest first, unless asked otherwise."""
        query = request.query(ReportQuery)
        found, total = await self._reports.event_reports(
            reporter=query.user_id,
            room_id=query.room_id,
            sender=query.event_sender_user_id,
            offset=query.offset,
            limit=query.limit,
            newest_first=query.dir == "b",
        )
        further = next_offset(query, len(found), total)
        return json_response(
            ReportPage([_shown(report) for report in found], total, UNSET if further is None else further)
        )

    async def get(self, request: Request) -> Response:
        """404 if there is no such report."""
        report, stored = await self._reports.event_report(_number(request))
        shown = _shown(report)
        shown.event_json = None
        if stored is not None:
            shown.sender = stored.event.sender
            shown.event_json = {**stored.event.pdu, "event_id": stored.event.event_id}
        return json_response(shown)

    async def delete(self, request: Request) -> Response:
        """404 if there is no such report."""
        await self._reports.delete_event_report(_number(request))
        return EMPTY_OBJECT


def _number(request: Request) -> int:
    text = request.params["report_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= GREATEST):
        raise invalid_param("The report_id is a number")
    return int(text)


def _shown(report: EventReport) -> ShownReport:
    return ShownReport(
        id=report.report_nid,
        received_ts=report.received_ts,
        room_id=report.room_id,
        name=report.room_name,
        canonical_alias=report.canonical_alias,
        event_id=report.event_id,
        sender=report.sender,
        user_id=report.reporter,
        reason=report.reason,
        score=report.score,
    )
