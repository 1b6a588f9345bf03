"""Positions of streams that may have been given out although nothing stands at them, and must not be given out again."""

from typing import Literal

from ranvier.db.engine import Reader, Tx

Stream = Literal["events", "account_data", "receipts", "to_device", "device_lists", "event_nids"]
"""`event_nids`: not positions, but the numbers of events."""


async def reserved_pos(db: Reader, stream: Stream) -> int:
    """The last position that may be in use; 0: what is stored says it. One statement."""
    return await db.value("SELECT stream_pos FROM reserved_positions WHERE stream = $1", stream) or 0


async def reserve_at_least(tx: Tx, stream: Stream, stream_pos: int) -> None:
    """No position up to this one is given out after the next start. One statement."""
    await tx.run(
        "INSERT INTO reserved_positions (stream, stream_pos) VALUES ($1, $2)"
        " ON CONFLICT (stream) DO UPDATE SET stream_pos = excluded.stream_pos"
        " WHERE reserved_positions.stream_pos < excluded.stream_pos",
        stream,
        stream_pos,
    )
