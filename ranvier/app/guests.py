"""Builds what keeps guests out of rooms that are closed to them."""

from ranvier.app.rooms import RoomServices
from ranvier.rooms.guest_removal import GuestRemoval
from ranvier.users.requester import Requester


def build_guest_removal(rooms: RoomServices) -> GuestRemoval:
    """Listens to what is committed from now on; has to run."""

    async def leave(requester: Requester, room_id: str) -> None:
        await rooms.memberships.leave(requester, room_id)

    removal = GuestRemoval(rooms=rooms.rooms, leave=leave)
    rooms.appender.listeners.append(removal.on_commit)
    return removal
