"""Spec: client-server API, "Push Rules: API"."""

from typing import Any

import msgspec
import pytest

from ranvier.proto.errors import MatrixError
from ranvier.proto.push_edit import delete_rule, put_rule, set_actions, set_enabled
from ranvier.proto.push_rules import NO_USER_RULES, Kind, UserRules, ruleset_of

BOB = "@bob:b.example"


def _ids(rules: UserRules, kind: Kind = "content") -> list[str]:
    return [rule.rule_id for rule in rules.own.of(kind)]


def _content(*rule_ids: str) -> UserRules:
    rules = NO_USER_RULES
    for rule_id in reversed(rule_ids):
        rules = put_rule(rules, "content", rule_id, actions=["notify"], pattern=rule_id)
    return rules


def _refused(status: int, errcode: str, edit: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(MatrixError) as error:
        edit(*args, **kwargs)
    assert (error.value.status, error.value.errcode) == (status, errcode)


def test_a_new_rule_is_the_most_important_of_its_kind() -> None:
    assert _ids(_content("one", "two")) == ["one", "two"]


def test_a_rule_is_put_next_to_another() -> None:
    rules = _content("one", "two", "three")
    new: dict[str, Any] = {"actions": [], "pattern": "x"}
    assert _ids(put_rule(rules, "content", "new", before="two", **new)) == ["one", "new", "two", "three"]
    assert _ids(put_rule(rules, "content", "new", after="two", **new)) == ["one", "two", "new", "three"]
    assert _ids(put_rule(rules, "content", "new", before="two", after="one", **new)) == ["one", "new", "two", "three"]
    assert _ids(put_rule(rules, "content", "three", before="one", **new)) == ["three", "one", "two"]
    assert _ids(put_rule(rules, "content", "two", **new)) == ["one", "two", "three"]
    for place in ({"before": "nope"}, {"after": "nope"}, {"before": ".m.rule.master"}, {"after": "new"}):
        _refused(400, "M_UNKNOWN", put_rule, rules, "content", "new", **place, **new)


def test_a_replaced_rule_stays_disabled() -> None:
    rules = set_enabled(_content("one"), "content", "one", enabled=False)
    rules = put_rule(rules, "content", "one", actions=[], pattern="other")
    rule = rules.own.find("content", "one")
    assert rule is not None
    assert (rule.enabled, rule.pattern, rule.actions) == (False, "other", ())


@pytest.mark.parametrize(
    ("kind", "rule_id"),
    [("content", ".x"), ("content", "a/b"), ("content", "a\\b"), ("content", ""), ("room", "x"), ("sender", "bob")],
)
def test_rule_ids_have_a_form(kind: Kind, rule_id: str) -> None:
    _refused(400, "M_INVALID_PARAM", put_rule, NO_USER_RULES, kind, rule_id, actions=[], pattern="x")


def test_rules_have_a_form() -> None:
    actions: list[Any]
    conditions: list[Any]
    _refused(400, "M_MISSING_PARAM", put_rule, NO_USER_RULES, "content", "x", actions=[])
    for actions in (["ring"], [5], [{}], [{"set_tweak": 5}], [None]):
        _refused(400, "M_BAD_JSON", put_rule, NO_USER_RULES, "override", "x", actions=actions)
    for conditions in (["x"], [{}], [{"kind": 5}]):
        _refused(400, "M_BAD_JSON", put_rule, NO_USER_RULES, "override", "x", actions=[], conditions=conditions)


def test_each_kind_keeps_what_belongs_to_it() -> None:
    given: dict[str, Any] = {
        "actions": ["notify", "dont_notify", "coalesce"],
        "conditions": [{"kind": "x"}],
        "pattern": "p",
    }
    for kind, rule_id, conditions, pattern in (
        ("override", "x", ({"kind": "x"},), None),
        ("underride", "x", ({"kind": "x"},), None),
        ("content", "x", None, "p"),
        ("room", "!a:b", None, None),
        ("sender", BOB, None, None),
    ):
        rule = put_rule(NO_USER_RULES, kind, rule_id, **given).own.find(kind, rule_id)  # type: ignore[arg-type]
        assert rule is not None
        assert (rule.conditions, rule.pattern, rule.actions, rule.default) == (conditions, pattern, ("notify",), False)


def test_rules_are_deleted() -> None:
    assert _ids(delete_rule(_content("one", "two"), "content", "one")) == ["two"]
    _refused(404, "M_NOT_FOUND", delete_rule, NO_USER_RULES, "content", "one")
    _refused(404, "M_NOT_FOUND", delete_rule, NO_USER_RULES, "override", ".m.rule.master")


def test_default_rules_are_changed_beside_them() -> None:
    rules = set_enabled(NO_USER_RULES, "override", ".m.rule.master", enabled=True)
    rules = set_actions(rules, "override", ".m.rule.master", ["notify"])
    master = ruleset_of(rules, BOB).find("override", ".m.rule.master")
    assert master is not None
    assert (master.enabled, master.actions, master.default) == (True, ("notify",), True)
    for edit, value in ((set_enabled, {"enabled": True}), (set_actions, {"actions": []})):
        _refused(404, "M_NOT_FOUND", edit, rules, "override", ".m.rule.nope", **value)
        _refused(404, "M_NOT_FOUND", edit, rules, "underride", ".m.rule.master", **value)


def test_rules_are_stored_and_shown_as_json() -> None:
    rules = set_enabled(_content("one"), "underride", ".m.rule.message", enabled=False)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=UserRules) == rules
    shown = msgspec.json.decode(msgspec.json.encode(ruleset_of(rules, BOB)))
    assert shown["content"] == [
        {"rule_id": "one", "default": False, "enabled": True, "actions": ["notify"], "pattern": "one"}
    ]
    assert shown["override"][0] == {
        "rule_id": ".m.rule.master", "default": True, "enabled": False, "actions": [], "conditions": [],
    }  # fmt: skip
    assert shown["room"] == []
