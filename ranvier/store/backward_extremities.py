"""Events that others cite as their `prev_events` and that we do not have: where a room's history goes on elsewhere."""

from collections.abc import Collection, Sequence

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, rows: Sequence[tuple[int, str, int]]) -> None:
    """`(room_nid, id of the missing event, event_nid of the one that cites it)`. One statement."""
    await tx.many(
        "INSERT INTO backward_extremities (room_nid, event_id, child_nid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        rows,
    )


async def delete(tx: Tx, rows: Sequence[tuple[int, str]]) -> None:
    """`(room_nid, event_id)`: these events have come. One statement."""
    await tx.many("DELETE FROM backward_extremities WHERE room_nid = $1 AND event_id = $2", rows)


async def children(db: Reader, room_nid: int, event_ids: Collection[str]) -> dict[str, list[int]]:
    """Of these ids those that are missing, each with the numbers of the events that cite it. One statement."""
    found: dict[str, list[int]] = {}
    for event_id, child_nid in await db.all(
        "SELECT event_id, child_nid FROM backward_extremities WHERE room_nid = $1 AND event_id = ANY($2)",
        room_nid,
        list(event_ids),
    ):
        found.setdefault(event_id, []).append(child_nid)
    return found


async def between(db: Reader, room_nid: int, low: int, high: int, limit: int) -> list[tuple[str, int]]:
    """`(id of a missing event, position of one that cites it)` with `low <= pos <= high`, the newest first."""
    rows = await db.all(
        "SELECT b.event_id, e.pos FROM backward_extremities b JOIN events e ON e.event_nid = b.child_nid"
        " WHERE b.room_nid = $1 AND e.pos >= $2 AND e.pos <= $3 ORDER BY e.pos DESC LIMIT $4",
        room_nid,
        low,
        high,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


async def rooms(db: Reader) -> set[int]:
    """The rooms in which anything is missing. One statement."""
    return {row[0] for row in await db.all("SELECT DISTINCT room_nid FROM backward_extremities")}
