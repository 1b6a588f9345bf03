"""How a room ceases to be partial: its full state is here, or the last local user has left it.

In the latter case nobody waits for the other members any more, and whoever comes back joins anew, through another
server. Leaving, being kicked and being banned are the same here.
"""

from collections.abc import Sequence
from functools import partial as bound

from ranvier.db.engine import Tx
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.full_room import known_members
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms
from ranvier.store import joined_rooms, partial_state
from ranvier.store.rooms import JOIN


async def end_with_last_leave(rooms: Rooms, append: Append, server_name: str) -> None:
    """If nobody of us is in a partial room after this append, end that in the same transaction. Under the room's lock.

    No statement unless somebody leaves a partial room.
    """
    room, partial = append.room, append.room.partial
    leaving = {change.user_id for change in append.members if change.is_local and change.membership != JOIN}
    if partial is None or not leaving:
        return
    await room.settled()
    joining = {change.user_id for change in append.members if change.is_local and change.membership == JOIN}
    users = {*await joined_rooms.users_in(rooms.db, known_members(room.room_nid)), *joining} - leaving
    if not any(domain_of(user_id) == server_name for user_id in users):
        append.ends_partial = partial
        append.also.append(bound(_clear, partial=partial))


def note_ends(rooms: Rooms, batch: Sequence[Append]) -> None:
    """A listener of the appender: what has ended has ended for everybody."""
    for append in batch:
        partial = append.ends_partial
        if partial is not None:
            active = rooms.active(partial.room_nid)
            if active is not None and active.partial is partial:
                active.partial = None
            full = append.makes_full
            rooms.partials.end(partial, full_since=None if full is None else full.stream_pos)


async def _clear(tx: Tx, *, partial: PartialRoom) -> None:
    await partial_state.clear(tx, partial.room_nid, partial.room_id)
