"""A room's history for administrators: they see everything, whoever was in the room and whatever its rules say."""

from collections.abc import Sequence

from ranvier.proto.errors import not_found
from ranvier.rooms.access import Access
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import ACCEPTED, StoredEvent


class UnrestrictedHistory(History):
    """In the place of a `History`, behind a door that lets in only administrators."""

    def __init__(self, *, rooms: Rooms) -> None:
        super().__init__(rooms=rooms, access=Access(rooms=rooms))
        self._all_rooms = rooms

    async def viewer(self, user_id: str, room_id: str) -> Viewer:
        """Whoever asks. Raises 404 for a room that is not here."""
        room = await self._all_rooms.find(room_id)
        if room is None or not room.has_head:
            raise not_found("Room not found")
        # Nobody's own view: whom the administrator ignores as a user is shown too.
        return Viewer(room=room, user_id="", joined=True, left_at=None)

    async def visible(self, viewer: Viewer, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """All that have a place in the room."""
        return [stored for stored in events if stored.pos is not None and stored.status == ACCEPTED]

    async def all_open(self, viewer: Viewer, events: Sequence[StoredEvent]) -> bool:
        """Yes."""
        return True
