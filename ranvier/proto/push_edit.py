"""Changes that users make to their push rules, as pure functions from rules to rules.

Spec: client-server API, "Push Rules: API". Errors are those of its endpoints.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ranvier.proto.errors import MatrixError, bad_json, invalid_param, missing_param, not_found
from ranvier.proto.ids import is_room_id, is_user_id
from ranvier.proto.push_defaults import DEFAULT_RULES
from ranvier.proto.push_rules import Change, Kind, Rule, UserRules

_HISTORICAL_ACTIONS: Final = ("dont_notify", "coalesce")


def put_rule(
    rules: UserRules,
    kind: Kind,
    rule_id: str,
    *,
    actions: Sequence[Any],
    conditions: Sequence[Any] | None = None,
    pattern: str | None = None,
    before: str | None = None,
    after: str | None = None,
) -> UserRules:
    """Add a rule, or replace the one with this id (it stays enabled or disabled, and in its place unless told).

    Raises 400 for a rule that is not well-formed, and for a `before` or `after` that is not a rule of the user.
    """
    _check_rule_id(kind, rule_id)
    if kind == "content" and pattern is None:
        raise missing_param("pattern: required for content rules")
    own = list(rules.own.of(kind))
    place = next((index for index, rule in enumerate(own) if rule.rule_id == rule_id), None)
    standing = None if place is None else own.pop(place)
    rule = Rule(
        rule_id=rule_id,
        default=False,
        enabled=True if standing is None else standing.enabled,
        actions=checked_actions(actions),
        conditions=_checked_conditions(conditions or ()) if kind in ("override", "underride") else None,
        pattern=pattern if kind == "content" else None,
    )
    if before is not None or after is not None:
        place = _place(own, before, after)
    own.insert(place or 0, rule)
    return _with_own(rules, kind, own)


def delete_rule(rules: UserRules, kind: Kind, rule_id: str) -> UserRules:
    """Remove a rule of the user. Raises 404 for others; default rules can only be disabled."""
    if rules.own.find(kind, rule_id) is None:
        raise not_found("There is no such rule of yours")
    return _with_own(rules, kind, [rule for rule in rules.own.of(kind) if rule.rule_id != rule_id])


def set_enabled(rules: UserRules, kind: Kind, rule_id: str, *, enabled: bool) -> UserRules:
    """Enable or disable a rule. Raises 404."""
    return _changed(rules, kind, rule_id, {"enabled": enabled})


def set_actions(rules: UserRules, kind: Kind, rule_id: str, actions: Sequence[Any]) -> UserRules:
    """Give a rule other actions. Raises 400 and 404."""
    return _changed(rules, kind, rule_id, {"actions": checked_actions(actions)})


def checked_actions(actions: Sequence[Any]) -> tuple[Any, ...]:
    """The actions, without the historical ones, which mean nothing. Raises 400 `M_BAD_JSON`."""
    kept = []
    for action in actions:
        if isinstance(action, dict):
            if not isinstance(action.get("set_tweak"), str):
                raise bad_json("actions: an object must name its set_tweak")
        elif action in _HISTORICAL_ACTIONS:
            continue
        elif action != "notify":
            raise bad_json("actions: expected notify, or an object with set_tweak")
        kept.append(action)
    return tuple(kept)


def _changed(rules: UserRules, kind: Kind, rule_id: str, changes: Mapping[str, Any]) -> UserRules:
    if any(definition["rule_id"] == rule_id for definition in DEFAULT_RULES.get(kind, ())):
        change = msgspec.structs.replace(rules.changes.get(rule_id, Change()), **changes)
        return UserRules(own=rules.own, changes={**rules.changes, rule_id: change})
    if rules.own.find(kind, rule_id) is None:
        raise not_found("There is no such rule")
    return _with_own(
        rules,
        kind,
        [msgspec.structs.replace(rule, **changes) if rule.rule_id == rule_id else rule for rule in rules.own.of(kind)],
    )


def _with_own(rules: UserRules, kind: Kind, own: Sequence[Rule]) -> UserRules:
    return UserRules(own=msgspec.structs.replace(rules.own, **{kind: tuple(own)}), changes=rules.changes)


def _place(own: Sequence[Rule], before: str | None, after: str | None) -> int:
    """Where a rule goes that is to be next more important than `before`, or next less than `after`."""
    neighbour = before if before is not None else after
    for index, rule in enumerate(own):
        if rule.rule_id == neighbour:
            return index if before is not None else index + 1
    raise MatrixError(400, "M_UNKNOWN", f"before/after rule not found: {neighbour}")


def _check_rule_id(kind: Kind, rule_id: str) -> None:
    if rule_id.startswith("."):
        raise invalid_param("Rule ids that start with a dot are the server's")
    if not rule_id or "/" in rule_id or "\\" in rule_id:
        raise invalid_param("A rule id is not empty and holds no slashes and backslashes")
    if kind == "room" and not is_room_id(rule_id):
        raise invalid_param("The id of a room rule is that of its room")
    if kind == "sender" and not is_user_id(rule_id):
        raise invalid_param("The id of a sender rule is that of its user")


def _checked_conditions(conditions: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    for condition in conditions:
        if not isinstance(condition, dict) or not isinstance(condition.get("kind"), str):
            raise bad_json("conditions: expected objects with a kind")
    return tuple(conditions)
