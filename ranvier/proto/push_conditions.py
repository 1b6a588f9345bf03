"""The conditions of push rules, and what they are evaluated against.

Spec: client-server API, "Push Rules", "Conditions"; appendices, "Dot-separated property paths". A condition that is not
recognised, or lacks what its kind requires, never matches.
"""

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from ranvier.proto.auth.power_levels import PowerLevels
from ranvier.proto.events import Event
from ranvier.proto.globs import compile_glob, compile_word_glob, contains_word
from ranvier.proto.property_paths import split_path

USER: Final = "\0user"
"""In a pattern or value: the id of the user whose rules are evaluated."""

ANYBODY: Final = "\0anybody"
"""Instead of a user's id: whoever it is. A condition that depends on that raises `DependsOnUserError`."""

_ABSENT: Final = object()
_EXACT: Final = frozenset({str, int, bool, type(None)})
_MEMBER_COUNT: Final = re.compile(r"(==|<=|>=|<|>|)([0-9]{1,18})", re.ASCII)
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {"": eq, "==": eq, "<": lt, ">": gt, "<=": le, ">=": ge}


class DependsOnUserError(Exception):
    """A condition may hold for one user and not for another."""


class EventFacts:
    """One event as push rules see it. Made once and shared by all users whose rules are evaluated for it."""

    __slots__ = ("_lowered", "_values", "event", "levels", "member_count", "sender_level", "type_key")

    def __init__(self, event: Event, *, member_count: int, levels: PowerLevels) -> None:
        """`member_count` counts those joined; `levels` are those in force in the room."""
        self.event = event
        self.member_count = member_count
        self.levels = levels
        self.sender_level = levels.user_level(event.sender)
        self.type_key = event.type.lower()
        self._values: dict[str, Any] = {}
        self._lowered: dict[str, str | None] = {}

    def value(self, key: str, path: tuple[str, ...]) -> Any:
        """The property at a path (`path` is `key`, split), or a marker that equals nothing."""
        try:
            return self._values[key]
        except KeyError:
            value = self._values[key] = self._find(path)
            return value

    def lowered(self, key: str, path: tuple[str, ...]) -> str | None:
        """The property in lower case if it is a string."""
        try:
            return self._lowered[key]
        except KeyError:
            value = self.value(key, path)
            lowered = self._lowered[key] = value.lower() if isinstance(value, str) else None
            return lowered

    def _find(self, path: tuple[str, ...]) -> Any:
        event = self.event
        match path[0]:
            case "content":
                value: Any = event.content
            case "type":
                value = event.type
            case "sender":
                value = event.sender
            case "room_id":
                value = event.room_id
            case "event_id":
                value = event.event_id
            case "state_key" if event.state_key is not None:
                value = event.state_key
            case "redacts" if event.redacts is not None:
                value = event.redacts
            case "origin_server_ts":
                value = event.origin_server_ts
            case _:
                return _ABSENT
        for name in path[1:]:
            if not isinstance(value, dict) or name not in value:
                return _ABSENT
            value = value[name]
        return value


Condition = Callable[[EventFacts, str, str | None], bool]
"""`condition(facts, user_id, display_name)`."""


def compile_condition(condition: Mapping[str, Any]) -> Condition:
    """The function that decides a condition; never raises."""
    compile_kind = _KINDS.get(condition["kind"]) if isinstance(condition.get("kind"), str) else None
    return _never if compile_kind is None else compile_kind(condition)


def _never(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
    return False


def _event_match(condition: Mapping[str, Any]) -> Condition:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str) or not isinstance(pattern, str):
        return _never
    path = split_path(key)
    if pattern == USER:
        return lambda facts, user_id, display_name: _is_user(facts.value(key, path), user_id)
    lowered = pattern.lower()
    if key == "content.body":
        matches = compile_word_glob(lowered)
    elif "*" in lowered or "?" in lowered:
        matches = compile_glob(lowered)
    else:
        return lambda facts, user_id, display_name: facts.lowered(key, path) == lowered

    def event_match(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
        text = facts.lowered(key, path)
        return text is not None and matches(text)

    return event_match


def _is_user(found: Any, user_id: str) -> bool:
    if user_id is ANYBODY and isinstance(found, str):
        raise DependsOnUserError
    return bool(found == user_id)


def _event_property_is(condition: Mapping[str, Any]) -> Condition:
    key, value = condition.get("key"), condition.get("value", _ABSENT)
    if not isinstance(key, str) or type(value) not in _EXACT:
        return _never
    path, kind = split_path(key), type(value)

    def event_property_is(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
        found = facts.value(key, path)
        return type(found) is kind and bool(found == value)

    return event_property_is


def _event_property_contains(condition: Mapping[str, Any]) -> Condition:
    key, value = condition.get("key"), condition.get("value", _ABSENT)
    if not isinstance(key, str) or type(value) not in _EXACT:
        return _never
    path, kind = split_path(key), type(value)

    def contains_user(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
        found = facts.value(key, path)
        return type(found) is list and any(_is_user(item, user_id) for item in found)

    def event_property_contains(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
        found = facts.value(key, path)
        return type(found) is list and any(type(item) is kind and item == value for item in found)

    return contains_user if value == USER else event_property_contains


def _contains_display_name(condition: Mapping[str, Any]) -> Condition:
    path = ("content", "body")

    def contains_display_name(facts: EventFacts, user_id: str, display_name: str | None) -> bool:
        body = facts.lowered("content.body", path)
        return bool(body and display_name) and contains_word(body or "", (display_name or "").lower())

    return contains_display_name


def _room_member_count(condition: Mapping[str, Any]) -> Condition:
    wanted = condition.get("is")
    parsed = _MEMBER_COUNT.fullmatch(wanted) if isinstance(wanted, str) else None
    if parsed is None:
        return _never
    compare, count = _COMPARE[parsed[1]], int(parsed[2])
    return lambda facts, user_id, display_name: compare(facts.member_count, count)


def _sender_notification_permission(condition: Mapping[str, Any]) -> Condition:
    key = condition.get("key")
    if not isinstance(key, str):
        return _never
    return lambda facts, user_id, display_name: facts.sender_level >= facts.levels.notification_level(key)


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Condition]]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}
