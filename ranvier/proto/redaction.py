"""The redaction algorithm: what is left of an event when everything that the protocol does not need is removed.

Spec: room versions, "Redactions". Signatures and event ids cover the redacted form, so each version is exact here.
"""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.proto.canonical_json import encode_for
from ranvier.proto.events import Event
from ranvier.proto.room_versions import RoomVersion

_MODERN_KEYS: Final = frozenset(
    {
        "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth",
        "prev_events", "auth_events", "origin_server_ts",
    }
)  # fmt: skip
_OLD_KEYS: Final = _MODERN_KEYS | {"prev_state", "origin", "membership"}
_MODERN_SIGNED_KEYS: Final = _MODERN_KEYS - {"signatures"}
_OLD_SIGNED_KEYS: Final = _OLD_KEYS - {"signatures"}

_LEVELS: Final = ("ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default")

_PLAIN_MEMBER: Final = frozenset({"membership", "displayname", "avatar_url"})
"""Of a member's content with no other keys the membership is left, in every room version."""

_PROTECTED_TYPES: Final = frozenset(
    {
        "m.room.member", "m.room.create", "m.room.join_rules", "m.room.power_levels", "m.room.aliases",
        "m.room.history_visibility", "m.room.redaction",
    }
)  # fmt: skip


def redact(pdu: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """The redacted copy of an event in its federation form. Does not judge the format: `pdu` may be malformed."""
    return _redacted(pdu, version, _MODERN_KEYS if version.modern_redaction else _OLD_KEYS)


def redact_to_sign(pdu: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """As `redact`, without `signatures`."""
    return _redacted(pdu, version, _MODERN_SIGNED_KEYS if version.modern_redaction else _OLD_SIGNED_KEYS)


def _redacted(pdu: Mapping[str, Any], version: RoomVersion, keys: frozenset[str]) -> dict[str, Any]:
    redacted = {key: value for key, value in pdu.items() if key in keys}
    if "content" in redacted:
        redacted["content"] = redact_content(redacted.get("type"), redacted["content"], version)
    return redacted


def redact_content(type: object, content: object, version: RoomVersion) -> dict[str, Any]:
    """What is left of the content of an event of this type."""
    if not isinstance(type, str) or type not in _PROTECTED_TYPES or not isinstance(content, dict) or not content:
        return {}
    if type == "m.room.create" and version.modern_redaction:
        return content
    if type == "m.room.member" and content.keys() <= _PLAIN_MEMBER and "membership" in content:
        return {"membership": content["membership"]}  # As nearly always.
    kept = {key: content[key] for key in _content_keys(type, version) if key in content}
    if type == "m.room.member" and version.modern_redaction:
        invite = content.get("third_party_invite")
        if isinstance(invite, dict) and "signed" in invite:
            kept["third_party_invite"] = {"signed": invite["signed"]}
    return kept


def redact_event(event: Event) -> Event:
    """The event as everyone may see it once a redaction has been applied to it; same id, same place."""
    pdu = redact(event.pdu, event.version)
    return Event(
        version=event.version,
        event_id=event.event_id,
        room_id=event.room_id,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=pdu["content"],
        origin_server_ts=event.origin_server_ts,
        depth=event.depth,
        prev_events=event.prev_events,
        auth_events=event.auth_events,
        redacts=redaction_target(pdu, event.version),
        json=encode_for(pdu, event.version),
    )


def redaction_target(pdu: Mapping[str, Any], version: RoomVersion) -> str | None:
    """The id that an `m.room.redaction` names, wherever this version keeps it; `None` for other types.

    `content` must be an object.
    """
    if pdu["type"] != "m.room.redaction":
        return None
    target = (pdu["content"] if version.redacts_in_content else pdu).get("redacts")
    return target if isinstance(target, str) else None


def _content_keys(type: str, version: RoomVersion) -> tuple[str, ...]:
    match type:
        case "m.room.member":
            via = version.redact_keeps_join_authorised_via
            return ("membership", "join_authorised_via_users_server") if via else ("membership",)
        case "m.room.create":
            return ("creator",)
        case "m.room.join_rules":
            return ("join_rule", "allow") if version.redact_keeps_join_rules_allow else ("join_rule",)
        case "m.room.power_levels":
            return (*_LEVELS, "invite") if version.modern_redaction else _LEVELS
        case "m.room.aliases":
            return ("aliases",) if version.redact_keeps_aliases else ()
        case "m.room.history_visibility":
            return ("history_visibility",)
        case _:  # m.room.redaction
            return ("redacts",) if version.modern_redaction else ()
