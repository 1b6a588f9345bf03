"""What a room is, for those who are about to enter it. Spec: client-server API, "Room Summaries"."""

from collections.abc import Sequence

from ranvier.proto.errors import not_found
from ranvier.proto.ids import domain_of, is_room_id
from ranvier.rooms.outside_view import STRANGER, viewpoint
from ranvier.rooms.remote_rooms import NowhereElse, RemoteSpaces
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_descriptions as store
from ranvier.store.room_descriptions import RoomSummary


class Summaries:
    """Describes rooms."""

    def __init__(self, *, rooms: Rooms, remote: RemoteSpaces | None = None) -> None:
        self._rooms = rooms
        self.remote: RemoteSpaces = remote or NowhereElse()

    async def summarise(
        self, room_id: str, user_id: str | None, *, via: Sequence[str] = ()
    ) -> tuple[RoomSummary, str | None]:
        """The room, and the user's membership in it; `user_id` is `None` for who did not say who they are.

        The servers `via`, and the one in its id, are asked about a room that is not known here, if a user wants to know.
        Raises 404 `M_NOT_FOUND` for rooms that they may not know about, as for those that do not exist. One statement,
        for users three.
        """
        found = (await store.by_ids(self._rooms.db, [room_id])).get(room_id)
        if found is None and user_id is not None and is_room_id(room_id):
            servers = [*via, domain_of(room_id)]
            told = (await self.remote.spaces({room_id: servers}, suggested_only=False)).get(room_id)
            found = None if told is None else told.room
        view = STRANGER if user_id is None else await viewpoint(self._rooms, user_id)
        if found is None or not view.sees(found):
            raise not_found("Room not found")
        return found, None if user_id is None else view.membership(found)
