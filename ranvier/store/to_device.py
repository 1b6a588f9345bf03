"""Messages that wait for devices (spec: client-server API, "Send-to-Device messaging")."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from ranvier.db.engine import Reader, Row, Tx

Device = tuple[str, str]
"""`(user_id, device_id)`."""

_HEAD: Final = b'{"content":'
_PACKET: Final = msgspec.json.Decoder(list[tuple[int, msgspec.Raw]])


def event_of(content: bytes, tail: bytes) -> bytes:
    """The event as the client gets it; `tail` is what follows the content."""
    return b"".join((_HEAD, content, tail))


class Waiting(NamedTuple):
    """One message."""

    stream_pos: int
    message: bytes
    """The event as the client gets it."""


class Packet(NamedTuple):
    """Messages for one device, in order; there is at least one."""

    user_id: str
    device_id: str
    first_pos: int
    last_pos: int
    number: int
    """How many there are."""
    messages: bytes
    """The event, if there is only one; of several a JSON array, each with its position."""


def packet_of(device: Device, messages: Sequence[tuple[int, bytes, bytes]]) -> Packet:
    """`(position, content, tail)` of each, in order."""
    first, last, number = messages[0][0], messages[-1][0], len(messages)
    if number == 1:
        _, content, tail = messages[0]
        return Packet(*device, first, last, 1, event_of(content, tail))
    events = b"],[".join([b'%d,{"content":%b%b' % message for message in messages])
    return Packet(*device, first, last, number, b"[[%b]]" % events)


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


async def insert(tx: Tx, packets: Sequence[Packet]) -> None:
    """Keep messages until they are delivered. One statement."""
    await tx.many(
        "INSERT INTO to_device_messages (user_id, device_id, stream_pos, number, message) VALUES ($1, $2, $3, $4, $5)",
        [(packet.user_id, packet.device_id, packet.last_pos, packet.number, packet.messages) for packet in packets],
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
    """The first messages in `after_pos < stream_pos <= until_pos`, in order. Two statements."""
    rows = await db.all(
        "SELECT stream_pos, number FROM to_device_messages WHERE user_id = $1 AND device_id = $2"
        " AND stream_pos > $3 ORDER BY stream_pos LIMIT $4",
        user_id,
        device_id,
        after_pos,
        limit + 1,
    )
    last = _last_needed(rows, limit)
    if last is None:
        return []
    packets = await db.all(
        "SELECT stream_pos, message FROM to_device_messages WHERE user_id = $1 AND device_id = $2"
        " AND stream_pos > $3 AND stream_pos <= $4 ORDER BY stream_pos",
        user_id,
        device_id,
        after_pos,
        last,
    )
    messages = [message for row in packets for message in _decode(row[0], bytes(row[1]))]
    return [message for message in messages if after_pos < message.stream_pos <= until_pos][:limit]


def _last_needed(packets: Sequence[Row], limit: int) -> int | None:
    """Of the first of these has perhaps been read all but the last message; of the others nothing."""
    last = None
    for stream_pos, number in packets:
        if limit <= 0:
            break
        limit -= 1 if last is None else number
        last = stream_pos
    return last


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


def _decode(stream_pos: int, message: bytes) -> list[Waiting]:
    if message.startswith(b"{"):
        return [Waiting(stream_pos, message)]
    return [Waiting(position, bytes(event)) for position, event in _PACKET.decode(message)]
