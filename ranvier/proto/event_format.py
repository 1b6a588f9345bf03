"""Events from JSON: the checks of the event format, and the way back from our own store.

Spec: room versions, "Event format"; client-server API, "Size limits". What the auth rules judge is not judged here.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import orjson

from ranvier.proto import limits
from ranvier.proto.canonical_json import NotCanonical, decode_lenient, encode, encode_checked, encode_lenient
from ranvier.proto.events import Event
from ranvier.proto.hashing import event_id_of, signed_bytes
from ranvier.proto.limits import is_too_long
from ranvier.proto.redaction import redaction_target
from ranvier.proto.room_versions import RoomVersion


class InvalidEvent(Exception):
    """This is no event of the room version; the text says why, for people."""


class EventTooLarge(InvalidEvent):
    """The event, or one of its names, has more bytes than it may have."""


_FIELDS: Final[tuple[tuple[str, type], ...]] = (
    ("type", str),
    ("sender", str),
    ("content", dict),
    ("hashes", dict),
    ("signatures", dict),
    ("origin_server_ts", int),
    ("depth", int),
    ("prev_events", list),
    ("auth_events", list),
)

_values: Final = itemgetter(*(field for field, _ in _FIELDS))
_KINDS: Final = tuple(kind for _, kind in _FIELDS)

_ANY_NAME: Final = limits.MAX_NAME_BYTES // 4
"""So many characters are not too many bytes, whatever they are."""


def parse_event(pdu: dict[str, Any], version: RoomVersion) -> Event:
    """An event that another server sent, in its federation form. Neither signatures nor hashes are checked.

    Takes `pdu` over: it must not be changed afterwards. Raises `InvalidEvent`. Two encodings.
    """
    return parse_with_signed(pdu, version)[0]


def parse_with_signed(
    pdu: dict[str, Any], version: RoomVersion, *, is_plain: bool = False, content: object = None
) -> tuple[Event, bytes]:
    """As `parse_event`; also the `signed_bytes`. `is_plain`: it is of `canonical_json.decode_plain`.

    `content`: that of the event, `canonical_json.written`, if it is plain and there is reason to encode it once only.
    """
    check_format(pdu, version)
    try:
        if version.strict_canonical_json:
            shared = pdu if content is None else {**pdu, "content": content}
            json = encode_checked(shared) if is_plain else encode(pdu)
        else:
            json = encode_lenient(pdu)
    except NotCanonical as error:
        raise InvalidEvent(str(error)) from None
    signed = signed_bytes(pdu, version, content=content)
    event_id = pdu["event_id"] if version.event_ids == "opaque" else event_id_of(signed, version)
    return make_event(pdu, json, event_id, version), signed


def load_event(json: bytes, event_id: str, version: RoomVersion) -> Event:
    """An event from our own store, where only what `parse_event` or `build_event` made is kept. One decoding."""
    # The faster decoder rounds integers beyond 64 bits, which only the old versions may have.
    pdu = orjson.loads(json) if version.strict_canonical_json else decode_lenient(json)
    return _event(pdu, json, event_id, version)


def make_event(pdu: dict[str, Any], json: bytes, event_id: str, version: RoomVersion) -> Event:
    """The event with this (checked) form and id. Raises `EventTooLarge`."""
    if len(json) > limits.MAX_EVENT_BYTES:
        raise EventTooLarge(f"The event has {len(json)} bytes; {limits.MAX_EVENT_BYTES} are allowed")
    return _event(pdu, json, event_id, version)


def check_format(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    """The checks of the fields, one by one. Raises `InvalidEvent`."""
    try:
        is_right = tuple(map(type, _values(pdu))) == _KINDS
    except KeyError:
        is_right = False
    if not is_right:
        wrong = next(field for field, kind in _FIELDS if type(pdu.get(field)) is not kind)
        raise InvalidEvent(f"{wrong}: missing or not of the right type")
    _check_names(pdu, version)
    limit = limits.MAX_STRICT_INTEGER if version.strict_canonical_json else limits.MAX_INT64
    if not -limit <= pdu["depth"] <= limit:
        raise InvalidEvent("depth: out of range")
    if not -limit <= pdu["origin_server_ts"] <= limit:
        raise InvalidEvent("origin_server_ts: out of range")
    _check_edges(pdu, "prev_events", limits.MAX_PREV_EVENTS, version)
    _check_edges(pdu, "auth_events", limits.MAX_AUTH_EVENTS, version)
    if "unsigned" in pdu and type(pdu["unsigned"]) is not dict:
        raise InvalidEvent("unsigned: not an object")


def _check_names(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    if version.event_ids != "opaque" and _are_short_names(pdu):
        return
    _check_name(pdu["type"], "type")
    _check_name(pdu["sender"], "sender")
    if not is_sender(pdu["sender"]):
        raise InvalidEvent("sender: not a user id")
    if "state_key" in pdu:
        _check_name(pdu["state_key"], "state_key")
    # Where the room id is made from the create event, the auth rules judge a create event that has one.
    if "room_id" in pdu or not _names_its_room(pdu, version):
        _check_name(pdu.get("room_id"), "room_id", sigil="!", has_grammar=True)
    if version.event_ids == "opaque":
        _check_name(pdu.get("event_id"), "event_id", sigil="$", has_grammar=True)


def _are_short_names(pdu: Mapping[str, Any]) -> bool:
    """Whether all names are right beyond doubt, as nearly always: together they are no longer than one may be."""
    sender: str = pdu["sender"]
    room_id: Any = pdu.get("room_id")
    try:
        names: str = pdu["type"] + sender + pdu.get("state_key", "") + room_id
    except TypeError:
        return False
    return (
        len(names) <= limits.MAX_NAME_BYTES
        and names.isascii()
        and "\0" not in names
        and sender[:1] == "@"
        and -1 < sender.find(":") < len(sender) - 1
        and room_id[:1] == "!"
    )


def _check_name(value: object, field: str, *, sigil: str = "", has_grammar: bool = False) -> None:
    """`has_grammar`: it is an id, in which no grammar allows NUL."""
    if (
        type(value) is str
        and len(value) <= limits.MAX_NAME_BYTES
        and value.isascii()
        and value.startswith(sigil)
        and not (has_grammar and "\0" in value)
    ):
        return  # As nearly always.
    if type(value) is not str or not value.startswith(sigil) or (has_grammar and "\0" in value):
        raise InvalidEvent(f"{field}: missing, or not what it should be")
    try:
        too_long = is_too_long(value)
    except UnicodeEncodeError:
        raise InvalidEvent(f"{field}: not valid Unicode") from None
    if too_long:
        raise EventTooLarge(f"{field}: longer than {limits.MAX_NAME_BYTES} bytes")


def is_sender(user_id: str) -> bool:
    """Whether this may stand as a sender: the historical grammar, and any server name.

    More is not asked, because an event that some servers accept and others drop splits the room.
    """
    localpart, _, server_name = user_id.partition(":")
    return localpart[:1] == "@" and bool(server_name) and "\0" not in user_id


def _check_edges(pdu: Mapping[str, Any], field: str, most: int, version: RoomVersion) -> None:
    edges = pdu[field]
    if len(edges) > most:
        raise InvalidEvent(f"{field}: more than {most} events")
    for edge in edges:
        if not version.edge_hashes and type(edge) is str and len(edge) <= _ANY_NAME and "\0" not in edge:
            continue  # As nearly always.
        if version.edge_hashes and (type(edge) is not list or len(edge) != 2 or type(edge[1]) is not dict):
            raise InvalidEvent(f"{field}: not a list of pairs of an event id and hashes")
        _check_name(edge[0] if version.edge_hashes else edge, field, has_grammar=True)


def _event(pdu: dict[str, Any], json: bytes, event_id: str, version: RoomVersion) -> Event:
    prev_events, auth_events = pdu["prev_events"], pdu["auth_events"]
    if version.edge_hashes:
        prev_events = [edge[0] for edge in prev_events]
        auth_events = [edge[0] for edge in auth_events]
    type_ = pdu["type"]
    return Event(
        version=version,
        event_id=event_id,
        room_id="!" + event_id[1:] if _names_its_room(pdu, version) else pdu["room_id"],
        type=type_,
        sender=pdu["sender"],
        state_key=pdu.get("state_key"),
        content=pdu["content"],
        origin_server_ts=pdu["origin_server_ts"],
        depth=pdu["depth"],
        prev_events=tuple(prev_events),
        auth_events=tuple(auth_events),
        redacts=redaction_target(pdu, version) if type_ == "m.room.redaction" else None,
        json=json,
    )


def _names_its_room(pdu: Mapping[str, Any], version: RoomVersion) -> bool:
    return version.domainless_room_ids and pdu["type"] == "m.room.create" and pdu.get("state_key") == ""
