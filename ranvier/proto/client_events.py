"""Events as clients see them, as bytes that are made once and spliced into every answer.

Spec: client-server API, "ClientEvent", "Stripped state"; room version 11, "Moving the `redacts` property". Of the
federation form only what the spec names is shown.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import orjson

from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.events import Event

_UNSIGNED: Final = b',"unsigned":'


class _Member(msgspec.Struct):
    """What clients see of a member event; each piece is passed on as it is stored."""

    content: msgspec.Raw
    origin_server_ts: msgspec.Raw
    sender: msgspec.Raw
    state_key: msgspec.Raw
    type: msgspec.Raw


_MEMBER: Final = msgspec.json.Decoder(_Member)


def client_core(event: Event) -> bytes:
    """The event as a JSON object without `room_id`, `unsigned`, and its closing brace.

    One encoding the first time; later calls return the same bytes. Redacted events: pass what `redact_event` made.
    """
    core = event.client_core
    if core is None:
        core = event.client_core = _dumps(client_fields(event))[:-1]
    return core


def client_event(event: Event, *, room_id: bool, unsigned: Mapping[str, Any] | bytes | None = None) -> bytes:
    """The whole event, with or without `room_id`. `unsigned` is the object or its JSON; `None` or empty: left out."""
    parts = [client_core(event)]
    if room_id:
        # Ids may hold any character but NUL.
        parts += (b',"room_id":', orjson.dumps(event.room_id))
    if unsigned:
        parts += (_UNSIGNED, unsigned if isinstance(unsigned, bytes) else _dumps(unsigned))
    parts.append(b"}")
    return b"".join(parts)


def client_members(members: Iterable[tuple[bytes, str]], room_id: str) -> list[bytes]:
    """What `client_event` makes of member events that are not redacted, given as stored JSON and id.

    For many events at once that nobody else asks for: an eighth of the work of making an `Event` of each.
    """
    end = b',"room_id":%b}' % orjson.dumps(room_id)
    found = []
    for json, event_id in members:
        event = _MEMBER.decode(json)
        parts = (
            b'{"content":',
            event.content,
            b',"event_id":',
            orjson.dumps(event_id),
            b',"origin_server_ts":',
            event.origin_server_ts,
            b',"sender":',
            event.sender,
            b',"type":',
            event.type,
            b',"state_key":',
            event.state_key,
            end,
        )
        found.append(b"".join(parts))
    return found


def client_fields(event: Event) -> dict[str, Any]:
    """The event as clients see it, without `room_id` and `unsigned`, as a new dictionary."""
    fields: dict[str, Any] = {
        "content": event.content,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
        "sender": event.sender,
        "type": event.type,
    }
    if event.state_key is not None:
        fields["state_key"] = event.state_key
    if event.redacts is not None:
        # In both places, for clients older and newer than the room version.
        fields["redacts"] = event.redacts
        if not event.version.redacts_in_content:
            fields["content"] = {**event.content, "redacts": event.redacts}
    return fields


def stripped_fields(event: Event) -> dict[str, Any]:
    """A state event as those see it who are not in the room."""
    return {
        "content": event.content,
        "sender": event.sender,
        "state_key": event.state_key,
        "type": event.type,
    }


def stripped_event(event: Event) -> bytes:
    """`stripped_fields` as JSON."""
    return _dumps(stripped_fields(event))


def stripped_json(told: Mapping[str, Any]) -> bytes:
    """The stripped form, as JSON, of an event that another server told in whatever form."""
    return _dumps({field: told[field] for field in ("type", "state_key", "sender", "content") if field in told})


def _dumps(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # An integer beyond 64 bits, from an old room version.
        return encode_lenient(value)
