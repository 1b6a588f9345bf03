"""Timelines of rooms whose history branches, for clients that make the state of a room out of its timeline.

Spec: client-server API, "Syncing": a client takes `state`, applies the timeline's state events in order, and has the room's
state. Where branches meet that is not so: resolution may take back an event of the timeline, and bring in one that is not
in it. What was brought in is told in `state`; a timeline begins after what was taken back.
"""

from collections.abc import Sequence

from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent
from ranvier.sync.state_section import Entries, by_key, differing
from ranvier.sync.timeline import Timeline


def branches(events: Sequence[StoredEvent]) -> bool:
    """Whether one of these came when the room's state was another one than before it."""
    return any(stored.head_before is not None for stored in events)


async def straightened(rooms: Rooms, room: Room, timeline: Timeline) -> tuple[Timeline, Entries]:
    """The timeline as far as applying it leads to the room's state, and what `state` has to say besides."""
    events = timeline.events
    difference = await differing(room, events[0].room_before, room.state_no)
    told = {stored.key_id: at for at, stored in enumerate(events) if stored.key_id is not None}
    begin = 0
    for key_id, at in told.items():
        if key_id in difference:
            taken_back = difference[key_id][1] != events[at].event_nid
        else:
            standing = await room.history.get(room.state_no, [key_id])
            taken_back = standing.get(key_id, 0) != events[at].event_nid
        if taken_back:
            begin = max(begin, at + 1)
    nids = [after for key_id, (_, after) in difference.items() if after and told.get(key_id, -1) < begin]
    found = by_key((await rooms.cache.get(nids)).values())
    return Timeline(events[begin:], limited=timeline.limited or begin > 0), found
