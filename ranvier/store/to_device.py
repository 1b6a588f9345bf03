"""Messages that wait for devices (spec: client-server API, "Send-to-Device messaging")."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx

Device = tuple[str, str]
"""`(user_id, device_id)`."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message."""

    stream_pos: int
    message: bytes
    """The event as the client gets it."""


async def begin(tx: Tx, user_id: str, device_id: str, request: bytes, ts: int) -> bool:
    """Note a request; whether it has not been seen before."""
    return (
        await tx.run(
            "INSERT INTO to_device_txns (user_id, device_id, request, ts) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING",
            user_id,
            device_id,
            request,
            ts,
        )
        > 0
    )


async def devices_of(db: Reader, user_ids: Collection[str]) -> dict[str, list[str]]:
    """The devices of some users. One statement."""
    found: dict[str, list[str]] = {}
    for user_id, device_id in await db.all(
        "SELECT user_id, device_id FROM devices WHERE user_id = ANY($1)", list(user_ids)
    ):
        found.setdefault(user_id, []).append(device_id)
    return found


async def insert(tx: Tx, stream_pos: int, messages: Sequence[tuple[str, str, bytes]]) -> None:
    """`(user_id, device_id, message)`, at most one for each device. One statement."""
    await tx.many(
        "INSERT INTO to_device_messages (user_id, device_id, stream_pos, message) VALUES ($1, $2, $3, $4)",
        [(user_id, device_id, stream_pos, message) for user_id, device_id, message in messages],
    )


async def newest(db: Reader, user_id: str, device_id: str) -> int:
    """The position of the last message that waits for a device, 0 if none does."""
    pos: int | None = await db.value(
        "SELECT MAX(stream_pos) FROM to_device_messages WHERE user_id = $1 AND device_id = $2", user_id, device_id
    )
    return pos or 0


async def read(
    db: Reader, user_id: str, device_id: str, *, after_pos: int, until_pos: int, limit: int
) -> list[Waiting]:
    """The first messages in `after_pos < stream_pos <= until_pos`, in order."""
    rows = await db.all(
        "SELECT stream_pos, message FROM to_device_messages WHERE user_id = $1 AND device_id = $2"
        " AND stream_pos > $3 AND stream_pos <= $4 ORDER BY stream_pos LIMIT $5",
        user_id,
        device_id,
        after_pos,
        until_pos,
        limit,
    )
    return [Waiting(row[0], bytes(row[1])) for row in rows]


async def delete_delivered(tx: Tx, rows: Sequence[tuple[str, str, int]]) -> None:
    """`(user_id, device_id, stream_pos)`: forget what is not after this position. One statement."""
    await tx.many(
        "DELETE FROM to_device_messages WHERE user_id = $1 AND device_id = $2 AND stream_pos <= $3",
        rows,
    )


async def reserved_pos(db: Reader) -> int:
    """The last position that may have been given out."""
    return await db.value("SELECT stream_pos FROM reserved_positions WHERE stream = 'to_device'") or 0


async def reserve(tx: Tx, stream_pos: int) -> None:
    """No position up to this one is given out after a restart."""
    await tx.run(
        "INSERT INTO reserved_positions (stream, stream_pos) VALUES ('to_device', $1)"
        " ON CONFLICT (stream) DO UPDATE SET stream_pos = excluded.stream_pos"
        " WHERE reserved_positions.stream_pos < excluded.stream_pos",
        stream_pos,
    )


async def expire_txns(tx: Tx, before_ts: int) -> None:
    """Forget requests older than this."""
    await tx.run("DELETE FROM to_device_txns WHERE ts < $1", before_ts)


async def delete_of_devices(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
    """Forget what waits for some devices, and what they sent. Two statements."""
    for table in ("to_device_messages", "to_device_txns"):
        await tx.run(f"DELETE FROM {table} WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids))
