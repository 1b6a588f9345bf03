"""The server's own push rules.

Spec: client-server API, "Predefined Rules" (with the changes of v1.17: mentions are intentional, and the body is not
searched for names).
"""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.proto.push_conditions import USER

MASTER: Final = ".m.rule.master"
"""The rule that stands above those of the user."""

_Definition = Mapping[str, Any]


def _match(key: str, pattern: str) -> dict[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _sound(name: str) -> dict[str, Any]:
    return {"set_tweak": "sound", "value": name}


_HIGHLIGHT: Final = {"set_tweak": "highlight"}
_TWO_MEMBERS: Final = {"kind": "room_member_count", "is": "2"}

_OVERRIDE: Final[tuple[_Definition, ...]] = (
    {"rule_id": MASTER, "enabled": False, "conditions": [], "actions": []},
    {
        "rule_id": ".m.rule.suppress_notices",
        "conditions": [_match("content.msgtype", "m.notice")],
        "actions": [],
    },
    {
        "rule_id": ".m.rule.invite_for_me",
        "conditions": [
            _match("type", "m.room.member"),
            _match("content.membership", "invite"),
            _match("state_key", USER),
        ],
        "actions": ["notify", _sound("default")],
    },
    {"rule_id": ".m.rule.member_event", "conditions": [_match("type", "m.room.member")], "actions": []},
    {
        "rule_id": ".m.rule.is_user_mention",
        "conditions": [
            {"kind": "event_property_contains", "key": r"content.m\.mentions.user_ids", "value": USER},
        ],
        "actions": ["notify", _sound("default"), _HIGHLIGHT],
    },
    {
        "rule_id": ".m.rule.is_room_mention",
        "conditions": [
            {"kind": "event_property_is", "key": r"content.m\.mentions.room", "value": True},
            {"kind": "sender_notification_permission", "key": "room"},
        ],
        "actions": ["notify", _HIGHLIGHT],
    },
    {
        "rule_id": ".m.rule.tombstone",
        "conditions": [_match("type", "m.room.tombstone"), _match("state_key", "")],
        "actions": ["notify", _HIGHLIGHT],
    },
    {"rule_id": ".m.rule.reaction", "conditions": [_match("type", "m.reaction")], "actions": []},
    {
        "rule_id": ".m.rule.room.server_acl",
        "conditions": [_match("type", "m.room.server_acl"), _match("state_key", "")],
        "actions": [],
    },
    {
        "rule_id": ".m.rule.suppress_edits",
        "conditions": [
            {"kind": "event_property_is", "key": r"content.m\.relates_to.rel_type", "value": "m.replace"},
        ],
        "actions": [],
    },
)

_UNDERRIDE: Final[tuple[_Definition, ...]] = (
    {
        "rule_id": ".m.rule.call",
        "conditions": [_match("type", "m.call.invite")],
        "actions": ["notify", _sound("ring")],
    },
    {
        "rule_id": ".m.rule.encrypted_room_one_to_one",
        "conditions": [_TWO_MEMBERS, _match("type", "m.room.encrypted")],
        "actions": ["notify", _sound("default")],
    },
    {
        "rule_id": ".m.rule.room_one_to_one",
        "conditions": [_TWO_MEMBERS, _match("type", "m.room.message")],
        "actions": ["notify", _sound("default")],
    },
    {"rule_id": ".m.rule.message", "conditions": [_match("type", "m.room.message")], "actions": ["notify"]},
    {"rule_id": ".m.rule.encrypted", "conditions": [_match("type", "m.room.encrypted")], "actions": ["notify"]},
)

DEFAULT_RULES: Final[Mapping[str, tuple[_Definition, ...]]] = {"override": _OVERRIDE, "underride": _UNDERRIDE}
"""By kind, the most important first. `enabled` is true where it is not given."""
