"""One entry of the current state, of many rooms at once."""

from collections.abc import Collection

from ranvier.db.engine import Reader


async def of_rooms(db: Reader, room_nids: Collection[int], key_id: int) -> dict[int, int]:
    """`room_nid -> event_nid` of those rooms that have it. One statement."""
    rows = await db.all(
        "SELECT room_nid, event_nid FROM room_current WHERE room_nid = ANY($1) AND key_id = $2",
        list(room_nids),
        key_id,
    )
    return {row[0]: row[1] for row in rows}


async def count(db: Reader, room_nid: int) -> int:
    """How many entries the current state of a room has. One statement."""
    row = await db.one("SELECT COUNT(*) FROM room_current WHERE room_nid = $1", room_nid)
    return 0 if row is None else int(row[0])
