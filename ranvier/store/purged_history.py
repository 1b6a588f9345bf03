"""Up to which time a room's history has been deleted."""

from ranvier.db.engine import Reader, Tx


async def times(db: Reader) -> dict[int, int]:
    """By room. One statement."""
    return {row[0]: row[1] for row in await db.all("SELECT room_nid, upto_ts FROM purged_history")}


async def save(tx: Tx, room_nid: int, upto_ts: int) -> None:
    """Set one. One statement."""
    await tx.run(
        "INSERT INTO purged_history (room_nid, upto_ts) VALUES ($1, $2)"
        " ON CONFLICT (room_nid) DO UPDATE SET upto_ts = excluded.upto_ts",
        room_nid,
        upto_ts,
    )
