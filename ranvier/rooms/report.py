"""Reports of what users find inappropriate, kept for the server's administrators.

Spec: client-server API, "Reporting Content".
"""

from typing import Final

from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.rooms.history import History, event_not_found
from ranvier.rooms.rooms import Rooms
from ranvier.store import reports as store
from ranvier.store import users as user_store
from ranvier.store.events import StoredEvent
from ranvier.store.reports import EventReport
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

REASON_BYTES: Final = 8192


class Reports:
    """Takes reports, and shows them to administrators."""

    def __init__(self, *, rooms: Rooms, history: History, clock: Clock, server_name: str) -> None:
        self._rooms = rooms
        self._history = history
        self._clock = clock
        self._server_name = server_name

    async def report_event(
        self, requester: Requester, room_id: str, event_id: str, *, reason: str | None, score: int | None
    ) -> None:
        """Report an event of a room that one is in. Raises 404 if one is not, or may not see it; 413 `M_TOO_LARGE`."""
        _check(reason)
        room = await self._rooms.find(room_id)
        if room is None or await self._rooms.membership(room, requester.user_id) != "join":
            raise event_not_found()
        viewer = await self._history.viewer(requester.user_id, room_id)
        reported = await self._history.require(viewer, (await self._rooms.cache.by_id([event_id])).get(event_id))
        async with self._rooms.db.write() as tx:
            await store.insert_event(
                tx,
                received_ts=self._clock.now_ms(),
                # Clients of the time before v1.18 rate what they report, from -100 (most offensive) to 0.
                score=score if score is not None and -100 <= score <= 0 else None,
                room_id=room_id,
                event_id=event_id,
                sender=reported.event.sender,
                reporter=requester.user_id,
                reason=reason,
            )

    async def event_reports(
        self,
        *,
        reporter: str | None,
        room_id: str | None,
        sender: str | None,
        offset: int,
        limit: int,
        newest_first: bool,
    ) -> tuple[list[EventReport], int]:
        """Reports about events, for administrators, and how many there are in all."""
        if not all(text is None or is_storable(text) for text in (reporter, room_id, sender)):
            return [], 0
        return await store.event_reports(
            self._rooms.db,
            reporter=reporter,
            room_id=room_id,
            sender=sender,
            offset=offset,
            limit=limit,
            newest_first=newest_first,
        )

    async def event_report(self, report_nid: int) -> tuple[EventReport, StoredEvent | None]:
        """One of them, and the event if it is still here. Raises 404 `M_NOT_FOUND`."""
        report = await store.event_report(self._rooms.db, report_nid)
        if report is None:
            raise not_found("Event report not found")
        found = await self._rooms.cache.by_id([report.event_id])
        return report, found.get(report.event_id)

    async def delete_event_report(self, report_nid: int) -> None:
        """Raises 404 `M_NOT_FOUND`."""
        async with self._rooms.db.write() as tx:
            if not await store.delete_event_report(tx, report_nid):
                raise not_found("Event report not found")

    async def report_room(self, requester: Requester, room_id: str, *, reason: str) -> None:
        """Report a room, whether one is in it or not. Raises 404 for a room that is not known here, 413."""
        _check(reason)
        room = await self._rooms.get(room_id)
        async with self._rooms.db.write() as tx:
            await store.insert_room(
                tx,
                received_ts=self._clock.now_ms(),
                room_id=room.room_id,
                reporter=requester.user_id,
                reason=reason,
            )

    async def report_user(self, requester: Requester, user_id: str, *, reason: str) -> None:
        """Report a user, of this server or another. Raises 404 for one who is not known here, 400, 413."""
        _check(reason)
        if not is_user_id(user_id):
            raise invalid_param("Not a user id")
        if not await self._is_known(user_id):
            raise not_found("Unknown user")
        async with self._rooms.db.write() as tx:
            await store.insert_user(
                tx,
                received_ts=self._clock.now_ms(),
                user_id=user_id,
                reporter=requester.user_id,
                reason=reason,
            )

    async def _is_known(self, user_id: str) -> bool:
        if domain_of(user_id) == self._server_name:
            return await user_store.by_id(self._rooms.db, user_id) is not None
        return await self._rooms.keys.find_user(self._rooms.db, user_id) is not None


def _check(reason: str | None) -> None:
    if reason is not None and len(reason.encode()) > REASON_BYTES:
        raise MatrixError(413, "M_TOO_LARGE", "The reason is too long")
