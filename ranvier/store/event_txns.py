"""Which client request made which event (spec: client-server API, "Transaction identifiers")."""

from collections.abc import Collection, Sequence

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, rows: Sequence[tuple[int, int, str, str, bytes, int]]) -> None:
    """`(event_nid, user_nid, device_id, txn_id, request, ts)`. One statement."""
    await tx.many(
        "INSERT INTO event_txns (event_nid, user_nid, device_id, txn_id, request, ts) VALUES ($1, $2, $3, $4, $5, $6)",
        rows,
    )


async def of_device(db: Reader, user_nid: int, device_id: str, *, since_ts: int) -> list[tuple[bytes, str]]:
    """`(request, event_id)` of everything a device has sent since `since_ts`."""
    rows = await db.all(
        "SELECT t.request, e.event_id FROM event_txns t JOIN events e ON e.event_nid = t.event_nid"
        " WHERE t.user_nid = $1 AND t.device_id = $2 AND t.ts > $3",
        user_nid,
        device_id,
        since_ts,
    )
    return [(bytes(row[0]), row[1]) for row in rows]


async def txn_ids(db: Reader, event_nids: Collection[int], user_nid: int, device_id: str) -> dict[int, str]:
    """`event_nid -> txn_id` of those events that this device sent."""
    rows = await db.all(
        "SELECT event_nid, txn_id FROM event_txns WHERE event_nid = ANY($1) AND user_nid = $2 AND device_id = $3",
        list(event_nids),
        user_nid,
        device_id,
    )
    return {row[0]: row[1] for row in rows}


async def expire(tx: Tx, before_ts: int) -> None:
    """Forget requests older than `before_ts`."""
    await tx.run("DELETE FROM event_txns WHERE ts < $1", before_ts)
