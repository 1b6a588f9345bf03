"""What rooms say in one entry of their state, room by room."""

from ranvier.db.engine import Reader


async def page(db: Reader, key_id: int, *, after: int, limit: int) -> list[tuple[int, str, int | None]]:
    """`(room_nid, room_id, number of the entry's event)` of rooms with numbers after this one. One statement."""
    rows = await db.all(
        "SELECT r.room_nid, r.room_id, c.event_nid FROM room_heads h JOIN rooms r ON r.room_nid = h.room_nid"
        " LEFT JOIN room_current c ON c.room_nid = h.room_nid AND c.key_id = $1 WHERE h.room_nid > $2"
        " ORDER BY h.room_nid LIMIT $3",
        key_id,
        after,
        limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]
