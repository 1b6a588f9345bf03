"""Backed-up keys as JSON, and which of two keys of one session is kept. Pure.

Spec: client-server API, "Server-side key backups", `KeyBackupData`, `RoomKeyBackup`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from ranvier.proto.errors import bad_json
from ranvier.proto.limits import MAX_STRICT_INTEGER
from ranvier.store.key_backup import BackedUpKey

_MAX_VERSION: Final = 2**62
Index = Annotated[int, msgspec.Meta(ge=0, le=MAX_STRICT_INTEGER)]


class KeyBackupData(msgspec.Struct):
    """The key of one session."""

    first_message_index: Index
    forwarded_count: Index
    is_verified: bool
    session_data: dict[str, Any]


class BackedUpRoom(msgspec.Struct):
    """The keys of one room, by session."""

    sessions: dict[str, KeyBackupData]


def parse_version(text: str) -> int | None:
    """The number of a version; `None` for what never was one."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        return None
    return int(text)


def encoded_object(value: Mapping[str, Any]) -> bytes:
    """JSON that the database can hold. Raises 400 `M_BAD_JSON`."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise bad_json("This cannot be stored") from error


def to_rows(rooms: Mapping[str, BackedUpRoom]) -> list[BackedUpKey]:
    """Uploaded keys as rows. Raises 400 `M_BAD_JSON`."""
    return [
        BackedUpKey(
            room_id,
            session_id,
            data.first_message_index,
            data.forwarded_count,
            data.is_verified,
            encoded_object(data.session_data),
        )
        for room_id, room in rooms.items()
        for session_id, data in room.sessions.items()
    ]


def to_json(key: BackedUpKey) -> dict[str, Any]:
    """A stored key as clients get it."""
    return {
        "first_message_index": key.first_message_index,
        "forwarded_count": key.forwarded_count,
        "is_verified": key.is_verified,
        "session_data": orjson.Fragment(key.session_data),
    }


def better_keys(known: Iterable[BackedUpKey], uploaded: Iterable[BackedUpKey]) -> tuple[list[BackedUpKey], int]:
    """Those uploaded keys that are to be stored, and how many of them are of new sessions."""
    stored = {(key.room_id, key.session_id): key for key in known}
    changed = []
    added = 0
    for key in uploaded:
        other = stored.get((key.room_id, key.session_id))
        if other is None:
            added += 1
        if other is None or is_better(key, other):
            changed.append(key)
    return changed, added


def is_better(key: BackedUpKey, other: BackedUpKey) -> bool:
    """Whether `key` replaces `other`: verified first, then the one that reaches further back, then the less travelled."""
    if key.is_verified != other.is_verified:
        return key.is_verified
    if key.first_message_index != other.first_message_index:
        return key.first_message_index < other.first_message_index
    return key.forwarded_count < other.forwarded_count
