"""Which actions a user's push rules order for an event.

Spec: client-server API, "Push Rules", "Actions". Rules are compiled once: those that can never match an event of a type
are left out of the list for that type, room and sender rules are look-ups, and most of the work on an event is kept in
its `EventFacts` and shared by all users.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ranvier.proto.push_conditions import ANYBODY, Condition, DependsOnUserError, EventFacts, compile_condition
from ranvier.proto.push_rules import NO_USER_RULES, Rule, UserRules, ruleset_to_compile


class Actions(msgspec.Struct, frozen=True):
    """What is to be done about an event. Without `notify` the rest means nothing."""

    notify: bool
    highlight: bool = False
    sound: str | None = None
    tweaks: Mapping[str, Any] = {}
    """For the push gateway: all tweaks, `sound` and `highlight` among them."""


NOTHING: Final = Actions(notify=False)

_Step = tuple[tuple[Condition, ...], Actions]
_Steps = tuple[_Step, ...]
_TypedStep = tuple[str | None, _Step]
"""With the type, in lower case, that an event must have; `None`: any."""


class CompiledRules(msgspec.Struct, frozen=True, kw_only=True):
    """A user's rules, ready to be evaluated. Independent of whose they are: equal rules may share one."""

    first: Mapping[str, _Steps]
    """Override and content rules, by lower-case event type."""
    first_other: _Steps
    """The same for the types that no rule names."""
    rooms: Mapping[str, Actions]
    senders: Mapping[str, Actions]
    last: Mapping[str, _Steps]
    last_other: _Steps
    uses_display_name: bool
    """Whether the user's display name in the room makes a difference."""


def compile_rules(rules: UserRules) -> CompiledRules:
    """Compile what a user has set, together with the default rules. Keep the result: it costs a hundred evaluations."""
    ruleset = ruleset_to_compile(rules)
    override, content = _enabled(ruleset.override), _enabled(ruleset.content)
    first, first_other = _by_type(
        [_conditional(rule) for rule in override]
        + [_step([{"kind": "event_match", "key": "content.body", "pattern": rule.pattern}], rule) for rule in content]
    )
    last, last_other = _by_type([_conditional(rule) for rule in _enabled(ruleset.underride)])
    conditional = [*override, *_enabled(ruleset.underride)]
    return CompiledRules(
        first=first,
        first_other=first_other,
        rooms={rule.rule_id: parse_actions(rule.actions) for rule in _enabled(ruleset.room)},
        senders={rule.rule_id: parse_actions(rule.actions) for rule in _enabled(ruleset.sender)},
        last=last,
        last_other=last_other,
        uses_display_name=any(
            condition.get("kind") == "contains_display_name"
            for rule in conditional
            for condition in rule.conditions or ()
        ),
    )


def evaluate(rules: CompiledRules, facts: EventFacts, user_id: str, display_name: str | None = None) -> Actions:
    """The actions of the most important rule that matches; `NOTHING` for the user's own events.

    `display_name` is the user's in the room; it may be left out unless `rules.uses_display_name`.
    """
    event = facts.event
    if event.sender == user_id:
        return NOTHING
    for conditions, actions in rules.first.get(facts.type_key, rules.first_other):
        for condition in conditions:
            if not condition(facts, user_id, display_name):
                break
        else:
            return actions
    if event.room_id in rules.rooms:
        return rules.rooms[event.room_id]
    if event.sender in rules.senders:
        return rules.senders[event.sender]
    for conditions, actions in rules.last.get(facts.type_key, rules.last_other):
        for condition in conditions:
            if not condition(facts, user_id, display_name):
                break
        else:
            return actions
    return NOTHING


def evaluate_for_anybody(rules: CompiledRules, facts: EventFacts) -> Actions | None:
    """The actions for everybody with these rules but the sender; `None` if that depends on who it is."""
    if rules.uses_display_name:
        return None
    try:
        return evaluate(rules, facts, ANYBODY)
    except DependsOnUserError:
        return None


def parse_actions(actions: Iterable[Any]) -> Actions:
    """The meaning of a rule's `actions`; what is not understood is ignored."""
    notify, tweaks = False, {}
    for action in actions:
        if action == "notify":
            notify = True
        elif isinstance(action, dict) and isinstance(action.get("set_tweak"), str):
            name = action["set_tweak"]
            # A highlight without a value is one; other tweaks need theirs.
            if name == "highlight" or "value" in action:
                tweaks[name] = action.get("value", True)
    if not notify:
        return NOTHING
    sound = tweaks.get("sound")
    return Actions(
        notify=True,
        highlight=tweaks.get("highlight") is True,
        sound=sound if isinstance(sound, str) else None,
        tweaks=tweaks,
    )


def _enabled(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.enabled]


def _conditional(rule: Rule) -> _TypedStep:
    return _step(rule.conditions or (), rule)


def _step(conditions: Iterable[Mapping[str, Any]], rule: Rule) -> _TypedStep:
    """The rule, with its condition on the event type (if it has one without wildcards) taken out."""
    wanted, others = None, []
    for condition in conditions:
        literal = _literal_type(condition)
        if literal is not None and wanted in (None, literal):
            wanted = literal
        else:
            others.append(compile_condition(condition))
    return wanted, (tuple(others), parse_actions(rule.actions))


def _literal_type(condition: Mapping[str, Any]) -> str | None:
    pattern = condition.get("pattern")
    if condition.get("kind") != "event_match" or condition.get("key") != "type" or not isinstance(pattern, str):
        return None
    return None if "*" in pattern or "?" in pattern else pattern.lower()


def _by_type(steps: list[_TypedStep]) -> tuple[dict[str, _Steps], _Steps]:
    types = {wanted for wanted, _ in steps if wanted is not None}
    by_type = {type_: tuple(step for wanted, step in steps if wanted in (None, type_)) for type_ in types}
    return by_type, tuple(step for wanted, step in steps if wanted is None)


DEFAULT_COMPILED: Final = compile_rules(NO_USER_RULES)
"""The rules of everyone who has set nothing."""
