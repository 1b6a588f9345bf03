"""An event with what was said around it.

Spec: client-server API, `GET /rooms/{roomId}/context/{eventId}`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.proto.filters import NO_EVENT_FILTER, RoomEventFilter
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_scan import LIMIT, Span, TimelineScan
from ranvier.rooms.timeline_token import timeline_token
from ranvier.state.view import Full, Lookup
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

        Raises 403 `M_FORBIDDEN` for outsiders, 404 `M_NOT_FOUND` if they may not see the event.
        """
        viewer = await self._history.viewer(requester.user_id, room_id)
        event = (await self._rooms.cache.by_id([event_id])).get(event_id)
        event = await self._history.require(viewer, event)
        pos = event.pos or 0
        limit = min(limit, LIMIT)
        before = await self._timeline.scan(viewer, Span(backwards=True, start=pos - 1), limit=limit // 2, choice=choice)
        after = await self._timeline.scan(
            viewer, Span(backwards=False, start=pos), limit=limit - limit // 2, choice=choice
        )
        state = await self._state(viewer, [*reversed(before.found), event, *after.found], choice)
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

    async def _state(self, viewer: Viewer, events: Sequence[StoredEvent], choice: RoomEventFilter) -> list[StoredEvent]:
        """The state at the last of the events; of members only the events' senders where they are loaded lazily."""
        last = events[-1]
        if last.state_before is None:
            return []
        rooms = self._rooms
        lookup = Lookup(db=rooms.db, keys=rooms.keys, cache=rooms.cache, history=viewer.room.history)
        view = Full(lookup, last.state_before)
        if choice.lazy_load_members:
            entries = dict(await view.non_members())
            entries.update(await view.entries([("m.room.member", user) for user in {e.event.sender for e in events}]))
        else:
            entries = dict(await view.everything())
        if last.event.key is not None:
            entries[last.event.key] = last
        return [stored for stored in entries.values() if choice.allows(stored.event)]
