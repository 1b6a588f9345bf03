"""Unread notifications as they were written down last: one row a user and room. Only saves counting again."""

from collections.abc import Sequence

from ranvier.db.engine import Reader, Tx

UnreadRow = tuple[int, int, int, bytes]
"""`(user_nid, room_nid, pos, entries)`."""


async def of_user(db: Reader, user_nid: int) -> dict[int, tuple[int, bytes]]:
    """`(pos, entries)` by room."""
    rows = await db.all("SELECT room_nid, pos, entries FROM unread WHERE user_nid = $1", user_nid)
    return {row[0]: (row[1], row[2]) for row in rows}


async def save(tx: Tx, rows: Sequence[UnreadRow]) -> None:
    """Set rows. One statement."""
    await tx.many(
        "INSERT INTO unread (user_nid, room_nid, pos, entries) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_nid, room_nid) DO UPDATE SET pos = excluded.pos, entries = excluded.entries",
        rows,
    )


async def delete_of_user(tx: Tx, user_nid: int) -> None:
    """Count everything of a user again when they ask."""
    await tx.run("DELETE FROM unread WHERE user_nid = $1", user_nid)


async def delete_of_room(tx: Tx, room_nid: int) -> None:
    """The room has been purged."""
    await tx.run("DELETE FROM unread WHERE room_nid = $1", room_nid)
