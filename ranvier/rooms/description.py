"""What a room's state says about the room to those who look at it from outside.

Spec: client-server API, "Published room directory", "Room Summaries", "Spaces". Only what is well-formed counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ranvier.proto.events import Event, StateKey
from ranvier.proto.ids import is_room_alias, is_room_id
from ranvier.proto.redaction import redact_event
from ranvier.rooms.room import Room
from ranvier.store.events import StoredEvent
from ranvier.store.room_descriptions import RoomDescription

DESCRIBED: Final[frozenset[StateKey]] = frozenset(
    (type_, "")
    for type_ in (
        "m.room.create",
        "m.room.name",
        "m.room.topic",
        "m.room.canonical_alias",
        "m.room.avatar",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.encryption",
    )
)
"""The state entries that a description is made from."""

DescribedState = Mapping[StateKey, StoredEvent]


def state_to_describe(
    room: Room, written: Iterable[StoredEvent], redacted: Iterable[StoredEvent], *, anew: bool
) -> DescribedState | None:
    """The room's present entries of `DESCRIBED` if these events change any of them or it is wanted `anew`, else `None`."""
    if not room.has_head:
        return None
    if not anew:
        anew = any(stored.key_id is not None and stored.event.key in DESCRIBED for stored in written)
    if not anew and not any(
        target.event.key in DESCRIBED and room.held(target.event) is not None for target in redacted
    ):
        return None
    return {key: room.state[key] for key in DESCRIBED if key in room.state}


def describe_stored(state: DescribedState, redacted: Mapping[int, StoredEvent]) -> RoomDescription:
    """`describe` of entries of which some (by `event_nid`) are being redacted in the same transaction."""
    return describe(
        {
            key: redact_event(stored.event) if stored.event_nid in redacted else stored.event
            for key, stored in state.items()
        }
    )


def describe(state: Mapping[StateKey, Event]) -> RoomDescription:
    """The description of a room with these entries of `DESCRIBED`."""
    contents = {key[0]: event.content for key, event in state.items()}
    content = defaultdict[str, Mapping[str, Any]](dict, contents).__getitem__
    alias = _text(content("m.room.canonical_alias").get("alias"))
    avatar = _text(content("m.room.avatar").get("url"))
    rules = content("m.room.join_rules")
    create = content("m.room.create")
    return RoomDescription(
        name=_text(content("m.room.name").get("name")),
        topic=plain_topic(content("m.room.topic")),
        canonical_alias=alias if alias is not None and is_room_alias(alias) else None,
        avatar=avatar if avatar is not None and avatar.startswith("mxc://") else None,
        join_rule=_text(rules.get("join_rule")) or "invite",
        allowed=allowed_rooms(rules),
        history_visibility=_text(content("m.room.history_visibility").get("history_visibility")) or "shared",
        guest_access=_text(content("m.room.guest_access").get("guest_access")) or "forbidden",
        encryption=_text(content("m.room.encryption").get("algorithm")),
        room_type=_text(create.get("type")),
        federate=create.get("m.federate") is not False,
    )


def plain_topic(content: Mapping[str, Any]) -> str | None:
    """The topic in plain text: of several representations the `text/plain` one."""
    block = content.get("m.topic")
    texts = block.get("m.text") if isinstance(block, dict) else None
    if not isinstance(texts, list):
        return _text(content.get("topic"))
    for text in texts:
        if isinstance(text, dict) and text.get("mimetype", "text/plain") == "text/plain":
            return _text(text.get("body"))
    return None


def allowed_rooms(rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The rooms whose members a restricted join rule lets in; none for other rules."""
    allow = rules.get("allow")
    if rules.get("join_rule") not in ("restricted", "knock_restricted") or not isinstance(allow, list):
        return ()
    rooms = [
        condition.get("room_id")
        for condition in allow
        if isinstance(condition, dict) and condition.get("type") == "m.room_membership"
    ]
    return tuple(dict.fromkeys(room for room in rooms if isinstance(room, str) and is_room_id(room)))


def _text(value: object) -> str | None:
    """Text that is not empty, as every database can hold it."""
    if not isinstance(value, str) or not value:
        return None
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
