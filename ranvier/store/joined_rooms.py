"""The rooms that users of other servers are joined to, from the current state of the rooms."""

from typing import Final

from ranvier.db.engine import Reader
from ranvier.store.rooms import JOIN, AllMembersOf

_IS_JOINED: Final = f"membership = {JOIN}"
"""Written out: only so is the index used that holds nothing else."""


async def of_user(db: Reader, user_nid: int) -> list[int]:
    """The rooms of any user. One statement."""
    rows = await db.all(f"SELECT room_nid FROM room_current WHERE key_id = $1 AND {_IS_JOINED}", user_nid)
    return [row[0] for row in rows]


async def of_users(db: Reader, user_ids: list[str]) -> dict[str, set[int]]:
    """The rooms of some users by their ids; who is in none is left out. One statement."""
    rows = await db.all(
        "SELECT k.state_key, c.room_nid FROM state_keys k JOIN room_current c ON c.key_id = k.key_id"
        f" WHERE k.state_key = ANY($1) AND k.type = 'm.room.member' AND {_IS_JOINED}",
        user_ids,
    )
    found: dict[str, set[int]] = {}
    for user_id, room_nid in rows:
        found.setdefault(user_id, set()).add(room_nid)
    return found


async def users_in(db: Reader, room_nid: AllMembersOf) -> list[str]:
    """Everybody who is joined to a room, as far as is known. One statement."""
    rows = await db.all(
        "SELECT k.state_key FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
        " WHERE c.room_nid = $1 AND c.membership = $2",
        room_nid,
        JOIN,
    )
    return [row[0] for row in rows]


async def last_leaves(db: Reader, user_ids: list[str]) -> dict[str, int]:
    """By user the stream position at which they last left a room, of those who ever did. One statement."""
    rows = await db.all(
        "SELECT k.state_key, MAX(m.stream_pos) FROM state_keys k JOIN member_changes m ON m.user_nid = k.key_id"
        " WHERE k.state_key = ANY($1) AND k.type = 'm.room.member' AND m.joined = 0 GROUP BY k.state_key",
        user_ids,
    )
    return {row[0]: row[1] for row in rows}
