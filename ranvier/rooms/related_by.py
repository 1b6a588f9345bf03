"""The part of a filter that asks what relates to an event: `related_by_rel_types` and `related_by_senders` (MSC3440).

An event passes if another one relates to it in one of these ways and is by one of these senders.
"""

from collections.abc import Sequence

from ranvier.db.engine import Reader
from ranvier.proto.filters import EventFilter, RoomEventFilter
from ranvier.store import relations
from ranvier.store.events import StoredEvent


async def keep_related(db: Reader, events: Sequence[StoredEvent], wanted: EventFilter) -> Sequence[StoredEvent]:
    """Those of one room's events that the filter lets pass. One statement; none where it does not ask."""
    if not events or not isinstance(wanted, RoomEventFilter) or not wanted.asks_relations:
        return events
    found = await relations.related(
        db,
        events[0].room_nid,
        [stored.event.event_id for stored in events],
        rel_types=wanted.related_by_rel_types,
        senders=wanted.related_by_senders,
    )
    return [stored for stored in events if stored.event.event_id in found]
