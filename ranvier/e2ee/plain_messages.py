"""Requests to send messages that can be kept as they came. Pure.

Spec: client-server API, "Send-to-Device messaging". What clients send to a hundred devices is long, and nobody here reads it:
where it is plain enough, no object is made of a content and nothing is encoded again.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from ranvier.store.to_device import Device


class _Messages(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    messages: dict[str, dict[str, msgspec.Raw]]


_OBJECT: Final = ord("{")
_DECODER: Final = msgspec.json.Decoder(_Messages)


@dataclass(frozen=True, slots=True)
class PlainMessages:
    """A request whose every content is an object."""

    body: bytes
    contents: dict[Device, bytes]
    """By user and device (or `*`) the content in JSON."""


def parse_plain(body: bytes) -> PlainMessages | None:
    """`None` if there is anything in the request that needs a closer look, or anything wrong with it.

    Without escapes and with nothing but ASCII, every text in it can be stored, and JSON that is well-formed stays so
    wherever it is put. Numbers are whatever the sender wrote.
    """
    if b"\\" in body or not body.isascii():
        return None
    try:
        messages = _DECODER.decode(body).messages
    except (msgspec.MsgspecError, RecursionError):
        return None
    contents: dict[Device, bytes] = {}
    for user_id, by_device in messages.items():
        for device_id, raw in by_device.items():
            contents[user_id, device_id] = content = bytes(raw)
            if content[0] != _OBJECT:
                return None
    return PlainMessages(body, contents)
