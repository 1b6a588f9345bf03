"""An event with what was said around it.

Spec: client-server API, `GET /rooms/{roomId}/context/{eventId}`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranvier.proto.events import StateKey
from ranvier.proto.filters import NO_EVENT_FILTER, RoomEventFilter
from ranvier.rooms.cited_members import cited_members
from ranvier.rooms.full_room import FullRoom, full_room, full_view, partial_view
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_scan import LIMIT, Span, TimelineScan
from ranvier.rooms.timeline_token import timeline_token
from ranvier.store.events import StoredEvent
from ranvier.users.requester import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """An event, its neighbours and the state at the last of them."""

    event: bytes
    events_before: list[bytes]
    """Newest first."""
    events_after: list[bytes]
    """Oldest first."""
    state: list[bytes]
    start: str
    end: str


class Context:
    """Reads what surrounds events."""

    def __init__(self, *, rooms: Rooms, history: History, timeline: TimelineScan, messages: Messages) -> None:
        self._rooms = rooms
        self._history = history
        self._timeline = timeline
        self._messages = messages

    async def around(
        self,
        requester: Requester,
        room_id: str,
        event_id: str,
        *,
        limit: int,
        choice: RoomEventFilter = NO_EVENT_FILTER,
    ) -> Surroundings:
        """The event with at most `limit` others, half of them (rounded down) before it.

        Raises 403 `M_FORBIDDEN` for outsiders, 404 `M_NOT_FOUND` if they may not see the event; 503 if all members are
        wanted and not known yet.
        """
        viewer = await self._history.viewer(requester.user_id, room_id)
        room = None
        if not choice.lazy_load_members:
            was_partial = viewer.room.partial is not None
            room = await full_room(self._rooms, viewer.room)
            if was_partial:
                viewer = await self._history.viewer(requester.user_id, room_id)
        event = (await self._rooms.cache.by_id([event_id])).get(event_id)
        event = await self._history.require(viewer, event)
        pos = event.pos or 0
        limit = min(limit, LIMIT)
        before = await self._timeline.scan(viewer, Span(backwards=True, start=pos - 1), limit=limit // 2, choice=choice)
        after = await self._timeline.scan(
            viewer, Span(backwards=False, start=pos), limit=limit - limit // 2, choice=choice
        )
        state = await self._state(viewer, room, [*reversed(before.found), event, *after.found], choice)
        encoded = await self._messages.serve(requester, viewer, [event, *before.found, *after.found])
        split = 1 + len(before.found)
        return Surroundings(
            event=encoded[0],
            events_before=encoded[1:split],
            events_after=encoded[split:],
            state=await self._messages.serve_state(requester, state),
            start=timeline_token(before.reached),
            end=timeline_token(after.reached),
        )

    async def _state(
        self, viewer: Viewer, room: FullRoom | None, events: Sequence[StoredEvent], choice: RoomEventFilter
    ) -> list[StoredEvent]:
        """The state at the last of the events: of a full `room` all of it, else of members only the events' senders."""
        last = events[-1]
        if last.state_before is None:
            return []
        if room is not None:
            entries = dict(await full_view(self._rooms, room, last.state_before).everything())
        else:
            view = partial_view(self._rooms, viewer.room, last.state_before)
            entries = dict(await view.non_members())
            entries.update(await view.entries([("m.room.member", user) for user in {e.event.sender for e in events}]))
            unknown = [] if viewer.room.partial is None else _unknown(entries, events)
            for user_id, member in (await cited_members(self._rooms.cache, unknown)).items():
                entries["m.room.member", user_id] = member
        if last.event.key is not None:
            entries[last.event.key] = last
        return [stored for stored in entries.values() if choice.allows(stored.event)]


def _unknown(entries: Mapping[StateKey, StoredEvent], events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Those events of whose senders a state says nothing."""
    return [stored for stored in events if ("m.room.member", stored.event.sender) not in entries]
