"""Rooms that everybody of this server has forgotten, and since when that is known."""

from collections.abc import Collection

from ranvier.db.engine import Reader, Tx


async def now(db: Reader) -> set[int]:
    """The numbers of those that everybody of this server who ever had to do with them has forgotten. One statement."""
    rows = await db.all("SELECT room_nid FROM local_members GROUP BY room_nid HAVING MIN(forgotten) = 1")
    return {row[0] for row in rows}


async def known(db: Reader) -> dict[int, int]:
    """Since when, by room. One statement."""
    return {row[0]: row[1] for row in await db.all("SELECT room_nid, since_ts FROM forgotten_rooms")}


async def note(tx: Tx, room_nids: Collection[int], since_ts: int) -> None:
    """They have been forgotten now. One statement."""
    await tx.many(
        "INSERT INTO forgotten_rooms (room_nid, since_ts) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(nid, since_ts) for nid in room_nids],
    )


async def drop(tx: Tx, room_nids: Collection[int]) -> None:
    """Somebody has to do with them again. One statement."""
    await tx.run("DELETE FROM forgotten_rooms WHERE room_nid = ANY($1)", list(room_nids))


async def ids(db: Reader, room_nids: Collection[int]) -> list[str]:
    """The ids of rooms. One statement."""
    rows = await db.all("SELECT room_id FROM rooms WHERE room_nid = ANY($1) ORDER BY room_nid", list(room_nids))
    return [row[0] for row in rows]
