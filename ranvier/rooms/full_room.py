"""Who needs every member of a room says here what is to happen while not every one is known.

MSC3902, MSC3895. What lists members takes an `AllMembersOf`: from `all_members`, which takes a room that `full_room` has
waited for, or from `known_members`. So nothing can forget that rooms may be partially joined.
"""

from typing import Final, NewType

from ranvier.proto.errors import MatrixError
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import WholeState
from ranvier.state.view import Full, Lookup, Partial
from ranvier.store.rooms import AllMembersOf

PATIENCE_S: Final = 60.0
"""How long a client's request waits for the members of a room. Browsers and proxies give up soon after."""
RETRY_S: Final = 30

FullRoom = NewType("FullRoom", Room)
"""A room of which every member is known. It stays so, for a full room never becomes partial again."""


async def full_room(rooms: Rooms, room: Room, *, patience_s: float = PATIENCE_S) -> FullRoom:
    """The room, once every member is known; at once if it is not partially joined.

    If it was, all that has been read of it before (states, memberships, what a user may see) is to be read again.
    Raises 503 `M_UNABLE_DUE_TO_PARTIAL_STATE` when time is up.
    """
    if room.partial is None:
        return FullRoom(room)
    if not await rooms.partials.wait(room.room_nid, patience_s):
        raise MatrixError(
            503,
            "M_UNABLE_DUE_TO_PARTIAL_STATE",
            "The members of this room are still being fetched from other servers; try again in a moment",
            headers={"Retry-After": str(RETRY_S)},
        )
    return FullRoom(await rooms.by_nid(room.room_nid))


def all_members(room: FullRoom) -> AllMembersOf:
    """To list the members of a full room."""
    return AllMembersOf(room.room_nid)


def known_members(room_nid: int) -> AllMembersOf:
    """To list those members who are known, by somebody who can do without the others: say why."""
    return AllMembersOf(room_nid)


def whole_state(room: FullRoom, state_no: int) -> WholeState:
    """To read all of a state of a full room."""
    return WholeState(state_no)


def full_view(rooms: Rooms, room: FullRoom, state_no: int) -> Full:
    """A state of a full room."""
    return Full(_lookup(rooms, room), state_no)


def partial_view(rooms: Rooms, room: Room, state_no: int) -> Partial:
    """A state of any room."""
    return Partial(_lookup(rooms, room), state_no)


def _lookup(rooms: Rooms, room: Room) -> Lookup:
    return Lookup(db=rooms.db, keys=rooms.keys, cache=rooms.cache, history=room.history)
