"""The hashes of events, and the event ids that are made from them.

Spec: server-server API, "Calculating the content hash for an event", "Calculating the reference hash for an event";
room versions 1, 3 and 4, "Event IDs".
"""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from ranvier.proto.canonical_json import encode_for
from ranvier.proto.events import Event
from ranvier.proto.redaction import redact_to_sign
from ranvier.proto.room_versions import RoomVersion
from ranvier.proto.unpadded_base64 import decode_base64, encode_base64, encode_base64_urlsafe

_NOT_HASHED: Final = frozenset({"hashes", "signatures", "unsigned"})


def content_hash(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """SHA-256 of the whole event but for `hashes`, `signatures` and `unsigned`. One encoding."""
    hashed = {key: value for key, value in pdu.items() if key not in _NOT_HASHED}
    return sha256(encode_for(hashed, version)).digest()


def content_hash_matches(pdu: Mapping[str, Any], version: RoomVersion) -> bool:
    """Whether the event has the content that its server hashed. If not, only its redacted form may be used.

    The content may be `canonical_json.written`.
    """
    hashes = pdu.get("hashes")
    claimed = decode_base64(hashes.get("sha256")) if isinstance(hashes, dict) else None
    return claimed is not None and compare_digest(claimed, content_hash(pdu, version))


def signed_bytes(pdu: Mapping[str, Any], version: RoomVersion, *, content: object = None) -> bytes:
    """What servers sign, and what the reference hash covers: the redacted event without signatures. One encoding.

    `content`: that of the event, written already; it is used if nothing of it is redacted.
    """
    redacted = redact_to_sign(pdu, version)
    if content is not None and len(redacted["content"]) == len(pdu["content"]) and pdu["type"] == "m.room.power_levels":
        redacted["content"] = content
    return encode_for(redacted, version)


def reference_hash(event: Event) -> bytes:
    """The hash by which `prev_events` and `auth_events` refer to an event in room versions 1 and 2."""
    return sha256(signed_bytes(event.pdu, event.version)).digest()


def event_id_of(signed: bytes, version: RoomVersion) -> str:
    """The id of the event with these `signed_bytes`, in the room versions where ids are hashes."""
    digest = sha256(signed).digest()
    if version.event_ids == "hash_urlsafe":
        return "$" + encode_base64_urlsafe(digest)
    return "$" + encode_base64(digest)
