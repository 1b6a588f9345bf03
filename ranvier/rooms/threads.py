"""Which thread an event is in.

Spec: client-server API, "Threaded read receipts": an event is in a thread if it says so, or if what it relates to is; the
root itself, and what relates to it in another way, is in the main timeline.
"""

from typing import Final

from ranvier.proto.relations import THREAD, relation_of
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent

HOPS: Final = 3
"""So many relations are followed to find a thread."""


class Threads:
    """Follows relations."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def root_of(self, stored: StoredEvent) -> str | None:
        """The id of the root of the thread that the event is in; `None`: the main timeline.

        No statement for events that relate to nothing, or directly to a root; else one a hop that is not in memory.
        """
        current = stored
        for _ in range(HOPS + 1):
            relation = relation_of(current.event)
            if relation is None:
                return None
            if relation.rel_type == THREAD:
                return relation.event_id
            parent = (await self._rooms.cache.by_id([relation.event_id])).get(relation.event_id)
            if parent is None or parent.room_nid != stored.room_nid:
                return None
            current = parent
        return None
