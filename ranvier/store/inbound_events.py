"""Events that were acknowledged to the server that sent them and that are not in their room yet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One of them; `json` is the event as it came."""

    room_id: str
    event_id: str
    origin: str
    received_ts: int
    json: bytes


async def insert(tx: Tx, rows: Sequence[InboundEvent]) -> None:
    """Keep events; those that are kept already stay as they are. One statement."""
    await tx.many(
        "INSERT INTO inbound_events (room_id, event_id, origin, received_ts, json) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        [(row.room_id, row.event_id, row.origin, row.received_ts, row.json) for row in rows],
    )


async def delete(tx: Tx, event_ids: Collection[str]) -> None:
    """These need not be kept any more. One statement."""
    await tx.run("DELETE FROM inbound_events WHERE event_id = ANY($1)", list(event_ids))


async def every(db: Reader) -> list[InboundEvent]:
    """All that are kept, in the order in which they came."""
    rows = await db.all("SELECT room_id, event_id, origin, received_ts, json FROM inbound_events ORDER BY inbound_nid")
    return [InboundEvent(*row) for row in rows]
