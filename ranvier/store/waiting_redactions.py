"""Redactions whose target has not come yet."""

from collections.abc import Collection, Sequence

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, rows: Sequence[tuple[int, str, int]]) -> None:
    """`(room_nid, id of the target, event_nid of the redaction)`. One statement."""
    await tx.many(
        "INSERT INTO waiting_redactions (room_nid, target_id, redaction_nid) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING",
        rows,
    )


async def delete(tx: Tx, rows: Sequence[tuple[int, str]]) -> None:
    """`(room_nid, target_id)`: these targets have come. One statement."""
    await tx.many("DELETE FROM waiting_redactions WHERE room_nid = $1 AND target_id = $2", rows)


async def waiting(db: Reader, room_nid: int, target_ids: Collection[str]) -> dict[str, list[int]]:
    """Of these ids those for which redactions wait, with the redactions' numbers. One statement."""
    found: dict[str, list[int]] = {}
    for target_id, redaction_nid in await db.all(
        "SELECT target_id, redaction_nid FROM waiting_redactions WHERE room_nid = $1 AND target_id = ANY($2)"
        " ORDER BY redaction_nid",
        room_nid,
        list(target_ids),
    ):
        found.setdefault(target_id, []).append(redaction_nid)
    return found
