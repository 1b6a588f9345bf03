"""Which guests of this server are in which rooms."""

from ranvier.db.engine import Reader
from ranvier.store.rooms import JOIN


async def in_room(db: Reader, room_nid: int) -> list[str]:
    """Ids of the guests who are joined to a room."""
    rows = await db.all(
        "SELECT u.name FROM users u JOIN state_keys k ON k.type = 'm.room.member' AND k.state_key = u.name"
        " JOIN local_members m ON m.user_nid = k.key_id"
        " WHERE u.is_guest = 1 AND m.room_nid = $1 AND m.membership = $2 ORDER BY u.name",
        room_nid,
        JOIN,
    )
    return [row[0] for row in rows]


async def rooms_to_leave(db: Reader) -> list[int]:
    """Numbers of the rooms that guests are joined to and may not be."""
    rows = await db.all(
        "SELECT DISTINCT m.room_nid FROM users u"
        " JOIN state_keys k ON k.type = 'm.room.member' AND k.state_key = u.name"
        " JOIN local_members m ON m.user_nid = k.key_id"
        " JOIN room_descriptions d ON d.room_nid = m.room_nid"
        " WHERE u.is_guest = 1 AND m.membership = $1 AND d.guest_access <> 'can_join'",
        JOIN,
    )
    return [row[0] for row in rows]
