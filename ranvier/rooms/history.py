"""Who may look at a room's history, and which events of it they may see.

Spec: client-server API, "Room History Visibility". The rules are `proto.visibility`; here is what they ask for. Where a
room's history has always been open to its members nothing is looked up at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.visibility import HISTORY_VISIBILITY, sees_everything, visibility_of, visible
from ranvier.rooms.access import Access, Now
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import ACCEPTED, FIRST_POS, StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A user who may look at the history of a room."""

    room: Room
    user_id: str
    joined: bool
    left_at: int | None
    """For a former member, the position of the event that ended their last time in the room."""
    horizon: int | None = None
    """Nothing behind this position is theirs to see."""

    def joined_after(self, pos: int) -> bool:
        """Whether they were in the room at any point after the event at `pos`."""
        return self.joined or (self.left_at is not None and pos < self.left_at)


class History:
    """Decides who sees which events."""

    def __init__(self, *, rooms: Rooms, access: Access) -> None:
        self._rooms = rooms
        self._access = access
        self.lifetimes = rooms.purged.lifetimes
        """How long messages live; `None`: for ever."""

    async def viewer(self, user_id: str, room_id: str) -> Viewer:
        """The user, if they are or were in the room or it is world-readable. Raises 403 `M_FORBIDDEN`."""
        view = await self._access.to_state(user_id, room_id)
        room = view.room
        if not isinstance(view, Now):
            left_at = FIRST_POS if view.last.pos is None else view.last.pos
            return Viewer(room=room, user_id=user_id, joined=False, left_at=left_at, horizon=left_at)
        mine = await self._rooms.member(room, user_id)
        if mine is not None and mine.event.membership == "join":
            return Viewer(room=room, user_id=user_id, joined=True, left_at=None)
        end = None if mine is None else await self._access.end_of_stay(mine)
        return Viewer(room=room, user_id=user_id, joined=False, left_at=None if end is None else end.pos)

    async def visible(self, viewer: Viewer, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Those of `events`, all of the viewer's room, that they may see, in the same order; not what has outlived its time.

        No statement where the room's history has always been open to them, else at most two for each state in which one
        of the events was sent.
        """
        placed = [stored for stored in events if stored.pos is not None and stored.status == ACCEPTED]
        if self.lifetimes is not None:
            placed = self.lifetimes.alive(viewer.room, placed)
        if not placed or await self.all_open(viewer, placed):
            return placed
        states = {stored.state_before for stored in placed if stored.state_before is not None}
        known = {state_no: await self._at(viewer, state_no) for state_no in states}
        return [
            stored
            for stored in placed
            if stored.state_before is not None and _visible(viewer, stored, *known[stored.state_before])
        ]

    async def require(self, viewer: Viewer, stored: StoredEvent | None) -> StoredEvent:
        """The event if it is one of the room that the viewer may see. Raises 404 `M_NOT_FOUND`."""
        if stored is not None and stored.room_nid == viewer.room.room_nid and await self.visible(viewer, [stored]):
            return stored
        raise event_not_found()

    async def all_open(self, viewer: Viewer, events: Sequence[StoredEvent]) -> bool:
        """Whether every history visibility that was set while `events` were sent lets the viewer see all of them.

        Rules that lost where branches met are not met here; the events of such a branch are judged by the rules that
        won.
        """
        positions = [stored.pos or 0 for stored in events]
        newest, oldest = max(positions), min(positions)
        stayed = viewer.joined or (viewer.left_at is not None and newest <= viewer.left_at)
        rule = viewer.room.state.get(HISTORY_VISIBILITY)
        while sees_everything(visibility_of(None if rule is None else rule.event), joined_now=stayed):
            if rule is None or (rule.pos is not None and rule.pos <= oldest):
                return True
            found = {} if rule.replaces is None else await self._rooms.cache.get([rule.replaces])
            rule = next(iter(found.values()), None)
        return False

    async def _at(self, viewer: Viewer, state_no: int) -> tuple[StoredEvent | None, StoredEvent | None]:
        """The history visibility and the viewer's membership in a state."""
        rule = await self._rooms.keys.find(self._rooms.db, HISTORY_VISIBILITY)
        member = await self._rooms.keys.find_user(self._rooms.db, viewer.user_id)
        wanted = [key_id for key_id in (rule, member) if key_id is not None]
        entries = await viewer.room.history.get(state_no, wanted)
        events = await self._rooms.cache.get(list(entries.values()))
        by_key = {key_id: events.get(nid) for key_id, nid in entries.items()}
        return (
            None if rule is None else by_key.get(rule),
            None if member is None else by_key.get(member),
        )


def event_not_found() -> MatrixError:
    """What is said of an event that does not exist or is not the asker's to see: the same for both."""
    return not_found("Event not found")


def _visible(viewer: Viewer, stored: StoredEvent, rule: StoredEvent | None, member: StoredEvent | None) -> bool:
    return visible(
        stored.event,
        viewer.user_id,
        visibility=visibility_of(None if rule is None else rule.event),
        membership=None if member is None else member.event.membership,
        joined_later=viewer.joined_after(stored.pos or 0),
    )
