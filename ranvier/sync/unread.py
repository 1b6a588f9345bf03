"""Unread notifications, counted when a user looks and not when a message is sent.

Spec: client-server API, "Receiving notifications". A count is kept per user and room and moved on by the events that have
come since; so a send costs the same in a room of ten and of ten thousand, and who never syncs costs nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.filters import EventFilter
from ranvier.proto.push_conditions import EventFacts
from ranvier.proto.push_evaluate import DEFAULT_COMPILED, evaluate
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import POS_BITS, StoredEvent
from ranvier.sync.feed import Feed
from ranvier.sync.timeline import Timelines

COUNTS: Final = 200_000
FACTS: Final = 512
SCANNED: Final = 200
"""How many events are looked at when a count is made for the first time."""

_EVERYTHING: Final = EventFilter()


@dataclass(slots=True)
class _Count:
    pos: int
    notify: int = 0
    highlight: int = 0


class Unread:
    """Everybody's counts."""

    def __init__(self, *, rooms: Rooms, timelines: Timelines) -> None:
        self._rooms = rooms
        self._timelines = timelines
        self._counts: OrderedDict[tuple[int, int], _Count] = OrderedDict()
        self._facts: OrderedDict[int, EventFacts] = OrderedDict()

    async def of(self, feed: Feed, room_nid: int, upto: int) -> bytes:
        """`"unread_notifications":{...}`: what came after the user's read marker, or their own last event.

        No statement if the events since the last time are in memory.
        """
        key = (feed.user_nid, room_nid)
        count = self._counts.get(key)
        last = feed.last.get(room_nid, 0) << POS_BITS
        if count is None:
            mine = feed.memberships[room_nid]
            count = self._counts[key] = _Count(pos=mine.stream_pos << POS_BITS)
            if len(self._counts) > COUNTS:
                self._counts.popitem(last=False)
        if count.pos < min(last, upto):
            await self._move_on(count, feed.user_id, room_nid, upto)
        return b'"unread_notifications":{"highlight_count":%d,"notification_count":%d}' % (
            count.highlight,
            count.notify,
        )

    def mark_read(self, user_nid: int, room_nid: int, pos: int) -> None:
        """The user has read everything up to `pos`: count again from there."""
        self._counts[user_nid, room_nid] = _Count(pos=pos)

    async def _move_on(self, count: _Count, user_id: str, room_nid: int, upto: int) -> None:
        timeline = await self._timelines.newest(room_nid, after=count.pos, upto=upto, limit=SCANNED, wanted=_EVERYTHING)
        count.pos = upto
        room = await self._rooms.by_nid(room_nid)
        for stored in timeline.events:
            if stored.event.sender == user_id:
                if stored.event.state_key is None:
                    count.notify = count.highlight = 0
                continue
            facts = self._facts.get(stored.event_nid)
            if facts is None:
                facts = self._remember(
                    stored,
                    EventFacts(stored.event, member_count=room.joined_members, levels=power_levels(room)),
                )
            actions = evaluate(DEFAULT_COMPILED, facts, user_id)
            count.notify += actions.notify
            count.highlight += actions.highlight

    def _remember(self, stored: StoredEvent, facts: EventFacts) -> EventFacts:
        self._facts[stored.event_nid] = facts
        if len(self._facts) > FACTS:
            self._facts.popitem(last=False)
        return facts
