"""The memberships of those who speak in a room of which not every member is known.

MSC3902: an event cites the membership of its sender among its `auth_events`. That it was accepted says that this one
was good enough, so clients are shown it until the sender's own is known.
"""

from collections.abc import Sequence

from ranvier.store.event_cache import EventCache
from ranvier.store.events import REJECTED, StoredEvent


async def cited_members(cache: EventCache, events: Sequence[StoredEvent]) -> dict[str, StoredEvent]:
    """By sender the member event that the last of their events cites. At most one statement."""
    wanted = {event_id for stored in events for event_id in stored.event.auth_events}
    cited = await cache.by_id(wanted) if wanted else {}
    found: dict[str, StoredEvent] = {}
    for stored in events:
        for event_id in stored.event.auth_events:
            member = cited.get(event_id)
            if member is None or member.status == REJECTED:
                continue
            if member.event.key == ("m.room.member", stored.event.sender):
                found[stored.event.sender] = member
    return found
