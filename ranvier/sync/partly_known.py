"""Partially joined rooms as `/sync` shows them.

MSC3902. Who loads members lazily sees them at once. Other clients, which take what they are told of members to be all of
them, see them when they are full, as if they had been joined then.
"""

from collections.abc import Iterable

from ranvier.rooms.partial_rooms import PartialRooms
from ranvier.store.rooms import JOIN, Membership
from ranvier.sync.feed import Feed
from ranvier.sync.query import SyncQuery


class PartlyKnown:
    """Decides what a client gets of such rooms, and when."""

    def __init__(self, *, partials: PartialRooms) -> None:
        self._partials = partials

    def hides(self, query: SyncQuery, room_nid: int) -> bool:
        """Whether a room is not to be shown to a client yet."""
        return not query.lazy_members and self._partials.of(room_nid) is not None

    def begins(self, query: SyncQuery, mine: Membership) -> int:
        """The position of the event stream at which a room that the user is in began for a client.

        For who loads members lazily it begins anew if more has changed when it became full than that others are known.
        """
        room_nid = mine.room_nid
        full_since = self._partials.full_since.get(room_nid)
        if full_since is None or (query.lazy_members and room_nid not in self._partials.corrected):
            return mine.stream_pos
        return max(mine.stream_pos, full_since)

    def became_full(self, room_nid: int, since: int) -> bool:
        """Whether a room has become full after a position of the event stream."""
        return self._partials.full_since.get(room_nid, -1) > since

    def was_never_shown(self, query: SyncQuery, mine: Membership) -> bool:
        """Whether a client knows nothing of a room that the user has left, because it was not full before."""
        room_nid, partials = mine.room_nid, self._partials
        if query.lazy_members:
            return False
        if room_nid in partials.left or partials.of(room_nid) is not None:
            return True
        return self.became_full(room_nid, mine.stream_pos)

    def appeared(self, feed: Feed, room_nids: Iterable[int], since: int) -> list[int]:
        """Those of these rooms, in which the user has been for longer, that became full after `since`."""
        if not self._partials.full_since:
            return []
        mine = feed.memberships
        return [
            room_nid
            for room_nid in room_nids
            if self.became_full(room_nid, since) and room_nid in mine and mine[room_nid].membership == JOIN
        ]
