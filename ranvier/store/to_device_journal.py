"""The journal of messages to devices: what was sent in the last moments, one row a request.

Spec: client-server API, "Send-to-Device messaging". A row is written at once and never changed but when a device is
removed; it goes when every message of it has been delivered or moved to where longer waiting ones are.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from ranvier.db.engine import Reader, Tx
from ranvier.store.to_device import Device

Events = Mapping[Device, bytes]
"""By device the event as the client gets it."""

_Content = tuple[list[tuple[str, str, int]], list[msgspec.Raw]]
_DECODER: Final = msgspec.json.Decoder(_Content)


async def insert(tx: Tx, stream_pos: int, events: Events) -> None:
    """Note the messages of a request. One statement."""
    await tx.run("INSERT INTO to_device_journal (stream_pos, messages) VALUES ($1, $2)", stream_pos, _encode(events))


async def all_rows(db: Reader) -> dict[int, Events]:
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
    gone = {(user_id, device_id) for device_id in positions}
    await tx.many(
        "UPDATE to_device_journal SET messages = $2 WHERE stream_pos = $1",
        [(row[0], _encode(_without(_decode(row[1]), gone))) for row in rows],
    )


def _without(events: Events, devices: Collection[Device]) -> Events:
    return {device: event for device, event in events.items() if device not in devices}


def _encode(events: Events) -> bytes:
    """An event that goes to many devices is written once: the very same event, for to compare all would cost more."""
    different = {id(event): event for event in events.values()}
    if len(different) == len(events):
        recipients = [(*device, index) for index, device in enumerate(events)]
    else:
        indexes = {identity: index for index, identity in enumerate(different)}
        recipients = [(*device, indexes[id(event)]) for device, event in events.items()]
    return b"[%b,[%b]]" % (msgspec.json.encode(recipients), b",".join(different.values()))


def _decode(messages: bytes) -> Events:
    recipients, encoded = _DECODER.decode(messages)
    events = [bytes(event) for event in encoded]
    return {(user_id, device_id): events[index] for user_id, device_id, index in recipients}
