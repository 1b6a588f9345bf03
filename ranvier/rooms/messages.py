"""Pages of a room's timeline.

Spec: client-server API, `GET /rooms/{roomId}/messages`; "Lazy-loading room members".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ranvier.proto.client_events import client_event
from ranvier.proto.filters import NO_EVENT_FILTER, RoomEventFilter
from ranvier.rooms.cited_members import cited_members
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.own_membership import own_membership
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.serve import Serving
from ranvier.rooms.timeline_scan import Span, TimelineScan
from ranvier.rooms.timeline_token import START, timeline_token
from ranvier.store.events import StoredEvent
from ranvier.users.requester import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a timeline."""

    start: str
    end: str | None
    """Where to go on; `None` if there is nothing more to see."""
    chunk: list[bytes]
    state: list[bytes]


class Messages:
    """Reads timelines for clients."""

    def __init__(self, *, rooms: Rooms, history: History, timeline: TimelineScan, serving: Serving) -> None:
        self._rooms = rooms
        self._history = history
        self._timeline = timeline
        self._serving = serving

    async def page(
        self,
        requester: Requester,
        room_id: str,
        *,
        backwards: bool,
        since: int | None = None,
        until: int | None = None,
        limit: int,
        choice: RoomEventFilter = NO_EVENT_FILTER,
    ) -> Page:
        """At most `limit` events from position `since` on, as far as `until`. Raises 403 for outsiders.

        Positions stand behind the event of that number. In a room that is open to its members: one statement for the
        events, at most two for what is shown with them, two more where members are loaded lazily.
        """
        viewer = await self._history.viewer(requester.user_id, room_id)
        start = since
        if start is None:
            start = viewer.room.last_pos if backwards else START
        span = Span(backwards=backwards, start=start, until=until)
        scan = await self._timeline.scan(viewer, span, limit=limit, choice=choice)
        if since is None and backwards and scan.first is not None:
            # The room may be ahead of what is stored; nothing in between is to be skipped by who goes on from here.
            start = scan.first
        members = await self._senders(viewer, scan.found) if choice.lazy_load_members else []
        return Page(
            start=timeline_token(start),
            end=None if scan.exhausted else timeline_token(scan.reached),
            chunk=await self.serve(requester, viewer, scan.found),
            state=await self.serve_state(requester, members),
        )

    async def serve(self, requester: Requester, viewer: Viewer, events: Sequence[StoredEvent]) -> list[bytes]:
        """Events of the timeline for the requester's device."""
        if not events:
            return []
        oldest = min((stored.pos for stored in events if stored.pos is not None), default=START)
        own = await own_membership(self._rooms, viewer, oldest=oldest)
        return await self._serving.serve(
            events,
            user_id=requester.user_id,
            device_id=requester.device_id,
            room_id=True,
            membership=own.of_all(events),
        )

    async def serve_state(self, requester: Requester, events: Sequence[StoredEvent]) -> list[bytes]:
        """State that goes with a timeline.

        Without what it replaced, which would have to be read for each: only redacted events say more than they hold.
        """
        redacted = [stored for stored in events if stored.redacted_by is not None]
        served: dict[int, bytes] = {}
        if redacted:
            found = await self._serving.serve(redacted, user_id=requester.user_id, device_id=None, room_id=True)
            served = {stored.event_nid: event for stored, event in zip(redacted, found, strict=True)}
        return [served.get(stored.event_nid) or client_event(stored.event, room_id=True) for stored in events]

    async def _senders(self, viewer: Viewer, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Member events of the events' senders: at the oldest event, or at the newest if they came in between."""
        placed = sorted(events, key=lambda stored: stored.pos or 0)
        if not placed:
            return []
        senders = {stored.event.sender for stored in placed}
        found = await self._members_at(viewer, placed[0], senders)
        missing = senders.difference(found)
        if missing and len(placed) > 1:
            found.update(await self._members_at(viewer, placed[-1], missing))
        if viewer.room.partial is not None:
            unknown = [stored for stored in placed if stored.event.sender not in found]
            found.update(await cited_members(self._rooms.cache, unknown))
        shown = {stored.event_nid for stored in events}
        return [member for member in found.values() if member.event_nid not in shown]

    async def _members_at(self, viewer: Viewer, stored: StoredEvent, user_ids: Iterable[str]) -> dict[str, StoredEvent]:
        """Users' member events in the state before an event, by user."""
        if stored.state_before is None:
            return {}
        nids = [await self._rooms.keys.find_user(self._rooms.db, user_id) for user_id in user_ids]
        entries = await viewer.room.history.get(stored.state_before, [nid for nid in nids if nid is not None])
        members = await self._rooms.cache.get(list(entries.values()))
        return {member.event.state_key or "": member for member in members.values()}
