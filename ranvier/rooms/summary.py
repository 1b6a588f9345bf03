"""What a room is, for those who are about to enter it. Spec: client-server API, "Room Summaries"."""

from ranvier.proto.errors import not_found
from ranvier.rooms.outside_view import STRANGER, viewpoint
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_descriptions as store
from ranvier.store.room_descriptions import RoomSummary


class Summaries:
    """Describes rooms."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def summarise(self, room_id: str, user_id: str | None) -> tuple[RoomSummary, str | None]:
        """The room, and the user's membership in it; `user_id` is `None` for who did not say who they are.

        Raises 404 `M_NOT_FOUND` for rooms that they may not know about, as for those that do not exist. One statement,
        for users three.
        """
        found = (await store.by_ids(self._rooms.db, [room_id])).get(room_id)
        view = STRANGER if user_id is None else await viewpoint(self._rooms, user_id)
        if found is None or not view.sees(found):
            raise not_found("Room not found")
        return found, None if user_id is None else view.membership(found)
