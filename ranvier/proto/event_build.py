"""Events of our own: built, hashed, signed and named.

Spec: server-server API, "Adding hashes and signatures to outgoing events"; room versions, "Event format".
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ranvier.proto import limits
from ranvier.proto.canonical_json import NotCanonical, encode, encode_for, encode_lenient
from ranvier.proto.event_format import InvalidEvent, check_format, make_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import event_id_of, reference_hash, signed_bytes
from ranvier.proto.room_versions import RoomVersion
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64


def build_event(
    *,
    version: RoomVersion,
    room_id: str | None,
    type: str,
    sender: str,
    state_key: str | None,
    content: dict[str, Any],
    origin_server_ts: int,
    depth: int,
    prev_events: Sequence[Event],
    auth_events: Sequence[Event],
    signing_key: SigningKey,
    server_name: str,
    random: Callable[[int], bytes],
    redacts: str | None = None,
    unsigned: Mapping[str, Any] | None = None,
) -> Event:
    """An event of this server, ready to be stored and sent.

    `room_id` is `None` for the create event of a room that is named after it. `random(n)` gives n unpredictable bytes;
    it names the event in room versions 1 and 2. `redacts` goes where the room version wants it. A depth beyond the
    limit becomes the limit. Three encodings.

    Raises `InvalidEvent`, and `EventTooLarge` of it.
    """
    pdu: dict[str, Any] = {
        "type": type,
        "sender": sender,
        "content": content,
        "origin_server_ts": origin_server_ts,
        "depth": min(depth, limits.MAX_STRICT_INTEGER if version.strict_canonical_json else limits.MAX_INT64),
        "prev_events": edges(prev_events, version),
        "auth_events": edges(auth_events, version),
    }
    if room_id is not None:
        pdu["room_id"] = room_id
    if state_key is not None:
        pdu["state_key"] = state_key
    if redacts is not None:
        if version.redacts_in_content:
            pdu["content"] = {**content, "redacts": redacts}
        else:
            pdu["redacts"] = redacts
    if version.event_ids == "opaque":
        pdu["event_id"] = f"${urlsafe_b64encode(random(18)).decode()}:{server_name}"
    if unsigned:
        pdu["unsigned"] = dict(unsigned)
    return complete_event(pdu, version, signing_key=signing_key, server_name=server_name)


def complete_event(pdu: dict[str, Any], version: RoomVersion, *, signing_key: SigningKey, server_name: str) -> Event:
    """Hash and sign an event that is otherwise complete (for instance made from another server's template).

    `pdu` is taken over; hashes and signatures it has are replaced. Raises `InvalidEvent`. Three encodings.
    """
    unsigned = pdu.pop("unsigned", None)
    pdu.pop("signatures", None)
    pdu.pop("hashes", None)
    try:
        hashed = encode(pdu) if version.strict_canonical_json else encode_lenient(pdu)
        pdu["hashes"] = {"sha256": encode_base64(sha256(hashed).digest())}
        signed = signed_bytes(pdu, version)
        pdu["signatures"] = {server_name: {signing_key.key_id: signing_key.sign(signed)}}
        if unsigned is not None:
            pdu["unsigned"] = unsigned
        # Everything else has been through the strict encoder above.
        json = encode_for(pdu, version) if unsigned is None or not version.strict_canonical_json else encode(pdu)
    except NotCanonical as error:
        raise InvalidEvent(str(error)) from None
    check_format(pdu, version)
    event_id = pdu["event_id"] if version.event_ids == "opaque" else event_id_of(signed, version)
    return make_event(pdu, json, event_id, version)


def edges(events: Sequence[Event], version: RoomVersion) -> list[Any]:
    """References to events, as `prev_events` and `auth_events` have them in this room version."""
    if not version.edge_hashes:
        return [event.event_id for event in events]
    return [[event.event_id, {"sha256": encode_base64(reference_hash(event))}] for event in events]
