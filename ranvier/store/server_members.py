"""The users of one server in a room."""

from collections.abc import Collection

from ranvier.db.engine import Reader
from ranvier.proto.ids import domain_of
from ranvier.store.state_keys import MEMBER_KEYS


async def member_keys(db: Reader, room_nid: int, server_name: str) -> list[int]:
    """The numbers of those of its users who have, or had, anything to do with the room. One statement."""
    rows = await db.all(
        "SELECT c.key_id, k.state_key FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
        " WHERE c.room_nid = $1 AND c.key_id >= $2 AND k.state_key LIKE $3 ESCAPE '!'",
        room_nid,
        MEMBER_KEYS,
        _ending(server_name),
    )
    # LIKE is not the same on both engines where case is concerned.
    return [key_id for key_id, user_id in rows if domain_of(user_id) == server_name]


async def rooms_with_member(
    db: Reader, room_nids: Collection[int], server_name: str, memberships: Collection[int]
) -> set[int]:
    """Those of these rooms in which a user of the server has one of these memberships. One statement."""
    rows = await db.all(
        "SELECT c.room_nid, k.state_key FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
        " WHERE c.room_nid = ANY($1) AND c.key_id >= $2 AND c.membership = ANY($3) AND k.state_key LIKE $4 ESCAPE '!'",
        list(room_nids),
        MEMBER_KEYS,
        list(memberships),
        _ending(server_name),
    )
    return {room_nid for room_nid, user_id in rows if domain_of(user_id) == server_name}


def _ending(server_name: str) -> str:
    escaped = server_name.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%:{escaped}"
