"""A user's membership of a room along its timeline."""

from collections.abc import Mapping, Sequence

from ranvier.rooms.history import Viewer
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent


class OwnMembership:
    """The membership at the events of one page, newest changes first."""

    def __init__(self, changes: list[tuple[int, str]]) -> None:
        self._changes = changes

    def of_all(self, events: Sequence[StoredEvent]) -> Mapping[int, str] | str:
        """The membership at each event, by `event_nid`; one for all if it is the same."""
        if len(self._changes) == 1 and all((stored.pos or 0) >= self._changes[0][0] for stored in events):
            return self._changes[0][1]
        return {stored.event_nid: self.at(stored) for stored in events}

    def at(self, stored: StoredEvent) -> str:
        """The membership at an event, its own change included; `leave` before the user was first heard of."""
        pos = stored.pos
        if pos is None:
            return self._changes[0][1] if self._changes else "leave"
        return next((name for since, name in self._changes if since <= pos), "leave")


async def own_membership(rooms: Rooms, viewer: Viewer, *, oldest: int) -> OwnMembership:
    """The user's membership at all events from position `oldest` on.

    No statement as long as the user's member event is older than that and in memory, else one a change.
    """
    changes: list[tuple[int, str]] = []
    change = await rooms.member(viewer.room, viewer.user_id)
    while change is not None:
        if change.pos is not None:
            changes.append((change.pos, change.event.membership or "leave"))
            if change.pos <= oldest:
                break
        if change.replaces is None or change.replaces == change.event_nid:
            break  # What claims to replace itself would be followed without end.
        change = (await rooms.cache.get([change.replaces])).get(change.replaces)
    return OwnMembership(changes)
