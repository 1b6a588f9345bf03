"""Up to which time, and which position of its timeline, a room's history has been deleted."""

from ranvier.db.engine import Reader, Tx


async def everything(db: Reader) -> dict[int, tuple[int, int]]:
    """`(upto_ts, upto_pos)` by room. One statement."""
    rows = await db.all("SELECT room_nid, upto_ts, upto_pos FROM purged_history")
    return {row[0]: (row[1], row[2]) for row in rows}


async def save(tx: Tx, room_nid: int, upto_ts: int, upto_pos: int) -> None:
    """Set them. One statement."""
    await tx.run(
        "INSERT INTO purged_history (room_nid, upto_ts, upto_pos) VALUES ($1, $2, $3)"
        " ON CONFLICT (room_nid) DO UPDATE SET upto_ts = excluded.upto_ts, upto_pos = excluded.upto_pos",
        room_nid,
        upto_ts,
        upto_pos,
    )
