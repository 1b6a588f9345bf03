"""Push rules: a user's rules as clients see them, and as they are stored.

Spec: client-server API, "Push Rules"; `PushRule` and `Ruleset` of its API. The rules of the server are in
`push_defaults.py`; they are never stored, only what the user changed about them.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from ranvier.proto.push_conditions import USER
from ranvier.proto.push_defaults import DEFAULT_RULES, MASTER

Kind = Literal["override", "content", "room", "sender", "underride"]
KINDS: Final[tuple[Kind, ...]] = ("override", "content", "room", "sender", "underride")
"""In the order in which they are checked."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule, in the shape of the API."""

    rule_id: str
    default: bool
    enabled: bool
    actions: tuple[Any, ...]
    conditions: tuple[dict[str, Any], ...] | None = None
    """Of override and underride rules."""
    pattern: str | None = None
    """Of content rules."""


class Ruleset(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of a user, each kind with the most important first; encodes to what the API answers."""

    override: tuple[Rule, ...] = ()
    content: tuple[Rule, ...] = ()
    room: tuple[Rule, ...] = ()
    sender: tuple[Rule, ...] = ()
    underride: tuple[Rule, ...] = ()

    def of(self, kind: Kind) -> tuple[Rule, ...]:
        """The rules of one kind."""
        rules: tuple[Rule, ...] = getattr(self, kind)
        return rules

    def find(self, kind: Kind, rule_id: str) -> Rule | None:
        """The rule with this id."""
        return next((rule for rule in self.of(kind) if rule.rule_id == rule_id), None)


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user changed about a default rule; `None`: as the server has it."""

    enabled: bool | None = None
    actions: tuple[Any, ...] | None = None


class UserRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user has set themselves. This is stored; `msgspec.json` encodes and decodes it."""

    own: Ruleset = Ruleset()
    changes: Mapping[str, Change] = {}
    """By the `rule_id` of default rules, which are unique over all kinds."""


NO_USER_RULES: Final = UserRules()


def ruleset_of(rules: UserRules, user_id: str) -> Ruleset:
    """The complete rules of a user, as `/pushrules/global` and `m.push_rules` show them."""
    return _ruleset(rules, user_id)


def ruleset_to_compile(rules: UserRules) -> Ruleset:
    """The complete rules with `push_conditions.USER` in the place of the user's id."""
    return _ruleset(rules, USER)


def _ruleset(rules: UserRules, user_id: str) -> Ruleset:
    by_kind: dict[str, tuple[Rule, ...]] = {}
    for kind in KINDS:
        defaults = [_default(definition, rules.changes, user_id) for definition in DEFAULT_RULES.get(kind, ())]
        # The master rule is above those of the user, all other defaults are below them.
        above = [rule for rule in defaults if rule.rule_id == MASTER]
        below = [rule for rule in defaults if rule.rule_id != MASTER]
        by_kind[kind] = (*above, *rules.own.of(kind), *below)
    return Ruleset(**by_kind)


def _default(definition: Mapping[str, Any], changes: Mapping[str, Change], user_id: str) -> Rule:
    rule_id: str = definition["rule_id"]
    change = changes.get(rule_id)
    enabled = definition.get("enabled", True) if change is None or change.enabled is None else change.enabled
    actions = definition["actions"] if change is None or change.actions is None else change.actions
    conditions = definition.get("conditions")
    return Rule(
        rule_id=rule_id,
        default=True,
        enabled=enabled,
        actions=tuple(actions),
        conditions=None if conditions is None else tuple(_for_user(condition, user_id) for condition in conditions),
    )


def _for_user(condition: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    return {name: user_id if value == USER else value for name, value in condition.items()}
