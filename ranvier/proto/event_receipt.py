"""An event as it comes from another server, with what its signatures are checked against.

Spec: server-server API, "Checks performed on receipt of a PDU", checks 1 and 3. What the signatures cover is what the
event's id is made from: it is encoded once for both.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ranvier.proto.canonical_json import NotCanonical, written
from ranvier.proto.event_format import InvalidEvent, parse_with_signed
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash_matches, signed_bytes
from ranvier.proto.redaction import redact
from ranvier.proto.room_versions import RoomVersion

_LARGE: Final = 64
"""A part of a content with so many entries is encoded once only."""


class ReceivedEvent(msgspec.Struct, frozen=True, eq=False):
    """An event whose signatures are to be checked."""

    event: Event
    signatures: object
    """As they stand in the event."""
    signed: bytes
    """What they must be signatures of."""


def receive_event(pdu: Mapping[str, Any], version: RoomVersion, *, is_plain: bool = False) -> ReceivedEvent:
    """The event that another server sent, without what it says beside it; redacted if its hash is wrong.

    `is_plain`: it is of `canonical_json.decode_plain`. Three encodings. Raises `InvalidEvent`.
    """
    if not isinstance(pdu, dict):
        raise InvalidEvent("not an object")
    bare = {key: value for key, value in pdu.items() if key != "unsigned"} if "unsigned" in pdu else pdu
    content = None
    if is_plain and version.strict_canonical_json and _is_large(bare.get("content")):
        try:
            content = written(bare["content"])
        except NotCanonical as error:
            raise InvalidEvent(str(error)) from None
    event, signed = parse_with_signed(bare, version, is_plain=is_plain, content=content)
    if not content_hash_matches(bare if content is None else {**bare, "content": content}, version):
        event, signed = parse_with_signed(redact(bare, version), version, is_plain=is_plain)
    return ReceivedEvent(event, bare["signatures"], signed)


def _is_large(content: object) -> bool:
    """Whether it would take long to encode it, as of the power levels of hundreds of users."""
    if type(content) is dict:
        for value in content.values():
            if (type(value) is dict or type(value) is list) and len(value) >= _LARGE:
                return True
    return False


def received(event: Event) -> ReceivedEvent:
    """An event that has been received before. One decoding, one encoding."""
    pdu = event.pdu
    return ReceivedEvent(event, pdu.get("signatures"), signed_bytes(pdu, event.version))
