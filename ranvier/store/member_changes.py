"""Who began or ceased to be joined to a room, and when: what tells which users came to share a room, or no longer do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import MEMBER_KEYS


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One step into or out of a room."""

    room_nid: int
    stream_pos: int
    """Of the event stream."""
    user_nid: int
    joined: int
    """1 in, 0 out."""


async def insert(tx: Tx, changes: Sequence[MemberChange]) -> None:
    """Write down steps. One statement."""
    await tx.many(
        "INSERT INTO member_changes (room_nid, stream_pos, user_nid, joined) VALUES ($1, $2, $3, $4)",
        [(change.room_nid, change.stream_pos, change.user_nid, change.joined) for change in changes],
    )


async def of_user(db: Reader, user_nid: int, after_pos: int, until_pos: int) -> list[MemberChange]:
    """A user's steps in `after_pos < stream_pos <= until_pos`, in order."""
    rows = await db.all(
        "SELECT room_nid, stream_pos, user_nid, joined FROM member_changes"
        " WHERE user_nid = $1 AND stream_pos > $2 AND stream_pos <= $3 ORDER BY stream_pos",
        user_nid,
        after_pos,
        until_pos,
    )
    return [MemberChange(*row) for row in rows]


async def of_rooms(db: Reader, room_nids: Collection[int], after_pos: int, until_pos: int) -> list[MemberChange]:
    """The steps into and out of some rooms in `after_pos < stream_pos <= until_pos`, in order."""
    rows = await db.all(
        "SELECT room_nid, stream_pos, user_nid, joined FROM member_changes"
        " WHERE room_nid = ANY($1) AND stream_pos > $2 AND stream_pos <= $3 ORDER BY stream_pos",
        list(room_nids),
        after_pos,
        until_pos,
    )
    return [MemberChange(*row) for row in rows]


async def joined_among(db: Reader, room_nids: Collection[int], user_nids: Collection[int]) -> list[tuple[int, int]]:
    """`(room_nid, user_nid)` of those of these users who are joined to these rooms now. One statement."""
    rows = await db.all(
        "SELECT room_nid, key_id FROM room_current WHERE room_nid = ANY($1) AND key_id = ANY($2) AND membership = $3",
        list(room_nids),
        list(user_nids),
        JOIN,
    )
    return [(row[0], row[1]) for row in rows]


async def joined_of(db: Reader, room_nids: Collection[int]) -> set[int]:
    """Everybody who is joined to one of these rooms now. One statement."""
    rows = await db.all(
        "SELECT DISTINCT key_id FROM room_current WHERE room_nid = ANY($1) AND key_id >= $2 AND membership = $3",
        list(room_nids),
        MEMBER_KEYS,
        JOIN,
    )
    return {row[0] for row in rows}
