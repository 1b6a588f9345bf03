"""A room's history for the other servers in the room.

Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events". Whoever asks has to be in the
room and wanted there; what history visibility hides from all of its users comes without its content.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.federation.participants import Participants
from ranvier.federation.predecessors import Predecessors
from ranvier.federation.visibility import ServerVisibility, is_told_whole, pruned
from ranvier.proto.errors import not_found
from ranvier.rooms.history import event_not_found
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timestamp_to_event import TimestampToEvent
from ranvier.store.events import REJECTED, StoredEvent

LIMIT: Final = 100
"""The most events of one answer."""
STARTS: Final = 100
"""The most events that one request may begin from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a server misses: what comes before `latest`, up to `earliest`."""

    latest: Collection[str]
    earliest: Collection[str]
    limit: int
    min_depth: int


class HistoryServing:
    """Answers for past events. Everything raises 404 for rooms that we never were in, 403 for servers that are not."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        participants: Participants,
        visibility: ServerVisibility,
        predecessors: Predecessors,
        finding: TimestampToEvent,
    ) -> None:
        self._rooms = rooms
        self._participants = participants
        self._visibility = visibility
        self._predecessors = predecessors
        self._finding = finding

    async def backfill(self, origin: str, room_id: str, event_ids: Collection[str], limit: int) -> list[bytes]:
        """These events and those before them, the newest first."""
        room = await self._participants.room(room_id, origin, past=True)
        found = await self._predecessors.before(room, _first(event_ids), min(max(limit, 0), LIMIT))
        return [event.json for event in await self._visibility.shown(room, origin, found)]

    async def missing_events(self, origin: str, room_id: str, gap: Gap) -> list[bytes]:
        """What stands in a gap, the oldest first."""
        room = await self._participants.room(room_id, origin, past=True)
        found = await self._predecessors.between(
            room,
            _first(gap.latest),
            frozenset(gap.earliest),
            limit=min(max(gap.limit, 0), LIMIT),
            min_depth=gap.min_depth,
        )
        return [event.json for event in await self._visibility.shown(room, origin, found)]

    async def event(self, origin: str, event_id: str) -> bytes:
        """One event. Raises 404 `M_NOT_FOUND` also for one that was rejected."""
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is None or stored.status == REJECTED:
            raise event_not_found()
        room = await self._participants.room(stored.event.room_id, origin, past=True)
        if is_told_whole(room, stored.event) or await self._visibility.visible(room, origin, [stored]):
            return stored.event.json
        return pruned(stored).json

    async def event_at(self, origin: str, room_id: str, ts: int, *, forwards: bool) -> StoredEvent:
        """The event nearest to a moment, of those that the server may see. Raises 404 if there is none."""
        room = await self._participants.room(room_id, origin)

        async def visible(events: Sequence[StoredEvent]) -> list[StoredEvent]:
            seen = await self._visibility.visible(room, origin, events)
            return [stored for stored in events if stored.event_nid in seen]

        found = await self._finding.nearest(room, ts, forwards=forwards, last=room.last_pos, visible=visible)
        if found is None:
            raise not_found(f"There is no event {'after' if forwards else 'before'} this moment")
        return found


def _first(event_ids: Collection[str]) -> list[str]:
    return list(dict.fromkeys(event_ids))[:STARTS]
