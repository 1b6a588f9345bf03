"""What a user has done in rooms, for administrators: looked up seldom, and in portions."""

from ranvier.db.engine import Reader, Row
from ranvier.store.events import COLUMNS, POS_BITS
from ranvier.store.state_keys import MEMBER_KEYS

_EVENT_COLUMNS = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))


async def rooms_ever(db: Reader, user_nid: int) -> list[tuple[int, str]]:
    """`(room_nid, room_id)` of every room in whose state the user stands now, whatever their membership."""
    rows = await db.all(
        "SELECT r.room_nid, r.room_id FROM rooms r JOIN room_current c ON c.room_nid = r.room_nid"
        " WHERE c.key_id = $1 ORDER BY r.room_id",
        user_nid,
    )
    return [(row[0], row[1]) for row in rows]


async def joins(db: Reader, user_nid: int) -> list[Row]:
    """Event rows (`COLUMNS`) with which a user came into rooms."""
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM member_changes m JOIN events e ON e.room_nid = m.room_nid"
        f" AND e.pos = m.stream_pos * {1 << POS_BITS} WHERE m.user_nid = $1 AND m.joined = 1",
        user_nid,
    )


async def member_events(db: Reader, *, after_nid: int, upto_nid: int) -> list[Row]:
    """Event rows (`COLUMNS`) of memberships with numbers in `after_nid < event_nid <= upto_nid`."""
    return await db.all(
        f"SELECT {COLUMNS} FROM events WHERE event_nid > $1 AND event_nid <= $2 AND key_id >= $3 AND pos IS NOT NULL",
        after_nid,
        upto_nid,
        MEMBER_KEYS,
    )


async def bytes_by_room(db: Reader, *, after_nid: int, upto_nid: int) -> list[tuple[int, int]]:
    """`(room_nid, bytes)` that the events with numbers in `after_nid < event_nid <= upto_nid` take."""
    rows = await db.all(
        "SELECT room_nid, SUM(length(json) + length(auth)) FROM events WHERE event_nid > $1 AND event_nid <= $2"
        " GROUP BY room_nid",
        after_nid,
        upto_nid,
    )
    return [(row[0], int(row[1])) for row in rows]
