"""Redacted events whose rows still hold what they said."""

from collections.abc import Sequence

from ranvier.db.engine import Reader, Tx


async def page(db: Reader, after: tuple[int, int], *, limit: int) -> list[tuple[int, int]]:
    """`(number of the redaction, number of the event)`, in this order, from behind this one. One statement."""
    rows = await db.all(
        "SELECT redacted_by, event_nid FROM events WHERE redacted_by IS NOT NULL AND pruned = 0"
        " AND (redacted_by, event_nid) > ($1, $2) ORDER BY redacted_by, event_nid LIMIT $3",
        *after,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


async def prune(tx: Tx, rows: Sequence[tuple[int, bytes]]) -> None:
    """`(event_nid, what is left of it)`. One statement."""
    await tx.many("UPDATE events SET json = $2, pruned = 1 WHERE event_nid = $1 AND redacted_by IS NOT NULL", rows)
