"""The journal of messages to devices: what was sent in the last moments, one row a request.

Spec: client-server API, "Send-to-Device messaging". A row is written at once and never changed but when a device is
removed; it goes when every message of it has been delivered or moved to where longer waiting ones are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ranvier.db.engine import Reader, Tx

Row = tuple[str, str, bytes]
"""`(user_id, device_id, event as the client gets it)`."""

_Content = tuple[list[tuple[str, str, int]], list[msgspec.Raw]]
_DECODER: Final = msgspec.json.Decoder(_Content)


async def insert(tx: Tx, stream_pos: int, rows: Iterable[Row]) -> None:
    """Note the messages of a request. One statement."""
    await tx.run("INSERT INTO to_device_journal (stream_pos, messages) VALUES ($1, $2)", stream_pos, _encode(rows))


async def all_rows(db: Reader) -> dict[int, list[Row]]:
    """The whole journal, in order. One statement."""
    rows = await db.all("SELECT stream_pos, messages FROM to_device_journal ORDER BY stream_pos")
    return {row[0]: _decode(row[1]) for row in rows}


async def delete(tx: Tx, upto: int) -> None:
    """Forget requests up to this position. One statement."""
    await tx.run("DELETE FROM to_device_journal WHERE stream_pos <= $1", upto)


async def delete_of_devices(tx: Tx, positions: Mapping[str, Collection[int]], user_id: str) -> None:
    """Take the messages for some devices of a user out of the requests that have some. Two statements, or none."""
    wanted = sorted({position for found in positions.values() for position in found})
    if not wanted:
        return
    rows = await tx.all("SELECT stream_pos, messages FROM to_device_journal WHERE stream_pos = ANY($1)", wanted)
    await tx.many(
        "UPDATE to_device_journal SET messages = $2 WHERE stream_pos = $1",
        [
            (row[0], _encode(other for other in _decode(row[1]) if not _is_for(other, user_id, positions)))
            for row in rows
        ],
    )


def _is_for(row: Row, user_id: str, device_ids: Collection[str]) -> bool:
    return row[0] == user_id and row[1] in device_ids


def _encode(rows: Iterable[Row]) -> bytes:
    """An event that goes to many devices is written once."""
    indexes: dict[bytes, int] = {}
    recipients = [(user_id, device_id, indexes.setdefault(event, len(indexes))) for user_id, device_id, event in rows]
    return b"[%b,[%b]]" % (msgspec.json.encode(recipients), b",".join(indexes))


def _decode(messages: bytes) -> list[Row]:
    recipients, encoded = _DECODER.decode(messages)
    events: Sequence[bytes] = [bytes(event) for event in encoded]
    return [(user_id, device_id, events[index]) for user_id, device_id, index in recipients]
