"""The journal of messages to devices: what was sent in the last moments, one row a request.

Spec: client-server API, "Send-to-Device messaging". A row is written at once and never changed but when a device is
removed; it goes when every message of it has been delivered or moved to where longer waiting ones are.

It is written in one of two ways: as the client sent it, an object, where every message goes to the device that it names;
or as a list of devices and one of events.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from ranvier.db.engine import Reader, Tx
from ranvier.store.to_device import Device, event_of


class Sent(NamedTuple):
    """What one request sends: messages of one sender and type."""

    contents: dict[Device, bytes]
    """By device the content in JSON."""
    tail: bytes
    """What follows the content in an event: `tail_of`."""


def tail_of(sender: str, type: str) -> bytes:
    """What all messages of a sender and type have in common."""
    return b',"sender":%b,"type":%b}' % (msgspec.json.encode(sender), msgspec.json.encode(type))


class _Messages(msgspec.Struct):
    messages: dict[str, dict[str, msgspec.Raw]]


class _AsItCame(msgspec.Struct):
    body: _Messages
    sender: str
    type: str


class _Event(msgspec.Struct):
    content: msgspec.Raw
    sender: str
    type: str


_AS_IT_CAME: Final = msgspec.json.Decoder(_AsItCame)
_LISTS: Final = msgspec.json.Decoder(tuple[list[tuple[str, str, int]], list[_Event]])


async def insert(tx: Tx, stream_pos: int, sent: Sent, body: bytes | None = None) -> None:
    """Note the messages of a request. One statement.

    `body`: the request as it came, if each of its messages is in `sent`, for the device that it names.
    """
    row = _as_lists(sent) if body is None else _as_it_came(sent, body)
    await tx.run("INSERT INTO to_device_journal (stream_pos, messages) VALUES ($1, $2)", stream_pos, row)


async def all_rows(db: Reader) -> dict[int, Sent]:
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
        [(row[0], _as_lists(_without(_decode(row[1]), gone))) for row in rows],
    )


def _without(sent: Sent, devices: Collection[Device]) -> Sent:
    left = {device: content for device, content in sent.contents.items() if device not in devices}
    return Sent(left, sent.tail)


def _as_it_came(sent: Sent, body: bytes) -> bytes:
    return b"".join((b'{"body":', body, sent.tail))


def _as_lists(sent: Sent) -> bytes:
    """A content that goes to many devices is written once: the very same, for to compare all would cost more."""
    different = {id(content): content for content in sent.contents.values()}
    indexes = {identity: index for index, identity in enumerate(different)}
    recipients = [(*device, indexes[id(content)]) for device, content in sent.contents.items()]
    events = b",".join([event_of(content, sent.tail) for content in different.values()])
    return b"[%b,[%b]]" % (msgspec.json.encode(recipients), events)


def _decode(row: bytes) -> Sent:
    if row.startswith(b"{"):
        request = _AS_IT_CAME.decode(row)
        contents = {
            (user_id, device_id): bytes(content)
            for user_id, by_device in request.body.messages.items()
            for device_id, content in by_device.items()
        }
        return Sent(contents, tail_of(request.sender, request.type))
    recipients, events = _LISTS.decode(row)
    if not events:
        return Sent({}, b"")
    different = [bytes(event.content) for event in events]
    contents = {(user_id, device_id): different[index] for user_id, device_id, index in recipients}
    return Sent(contents, tail_of(events[0].sender, events[0].type))
