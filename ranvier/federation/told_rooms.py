"""Rooms as other servers tell of them: what is not well-formed is left out.

Spec: client-server API, `PublishedRoomsChunk` and `RoomSummary`; server-server API, "Spaces".
"""

from typing import Any, Final

import msgspec

from ranvier.proto.ids import is_room_alias, is_room_id
from ranvier.proto.space_children import ToldChild
from ranvier.rooms.remote_rooms import RemoteSpace
from ranvier.store.room_descriptions import RoomSummary

CHILDREN: Final = 1000
"""How many children of one space are looked at."""
_RULES: Final = frozenset(("public", "invite", "knock", "private", "restricted", "knock_restricted"))


def told_room(value: object) -> RoomSummary | None:
    """A room of a directory or a space; `None` for what has no room id. Its `room_nid` is 0."""
    if not isinstance(value, dict):
        return None
    room_id = value.get("room_id")
    if not isinstance(room_id, str) or not is_room_id(room_id):
        return None
    joined = value.get("num_joined_members")
    alias, avatar = _text(value, "canonical_alias"), _text(value, "avatar_url")
    rule = _text(value, "join_rule")
    allowed = value.get("allowed_room_ids")
    return RoomSummary(
        room_nid=0,
        room_id=room_id,
        room_version=_text(value, "room_version") or "",
        joined_members=joined if type(joined) is int and 0 <= joined < 1 << 53 else 0,
        name=_text(value, "name"),
        topic=_text(value, "topic"),
        canonical_alias=alias if alias is not None and is_room_alias(alias) else None,
        avatar=avatar if avatar is not None and avatar.startswith("mxc://") else None,
        # Servers from before join rules were told knew only rooms that are open.
        join_rule="public" if rule is None else rule if rule in _RULES else "invite",
        allowed=tuple(room for room in allowed if isinstance(room, str) and is_room_id(room))
        if isinstance(allowed, list)
        else (),
        history_visibility="world_readable" if value.get("world_readable") is True else "shared",
        guest_access="can_join" if value.get("guest_can_join") is True else "forbidden",
        encryption=_text(value, "encryption"),
        room_type=_text(value, "room_type"),
        federate=True,
    )


def told_space(value: object, room_id: str) -> RemoteSpace | None:
    """The answer of `/hierarchy` about this room; `None` if it is not about it."""
    if not isinstance(value, dict):
        return None
    told = value.get("room")
    room = told_room(told)
    if room is None or room.room_id != room_id or not isinstance(told, dict):
        return None
    children = [told_room(child) for child in _list(value, "children")]
    inaccessible = [child for child in _list(value, "inaccessible_children") if isinstance(child, str)]
    return RemoteSpace(
        room,
        [child for child in map(_told_child, _list(told, "children_state")) if child is not None],
        {child.room_id: child for child in children if child is not None and child.room_id != room_id},
        frozenset(inaccessible),
    )


def _told_child(value: object) -> ToldChild | None:
    try:
        return msgspec.convert(value, ToldChild)
    except msgspec.ValidationError:
        return None


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found[:CHILDREN] if isinstance(found, list) else []


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None
