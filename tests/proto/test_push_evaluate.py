"""Spec: client-server API, "Push Rules", "Conditions", "Actions", "Predefined Rules"."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.auth.power_levels import PowerLevels
from ranvier.proto.events import Event
from ranvier.proto.push_conditions import EventFacts, compile_condition
from ranvier.proto.push_evaluate import DEFAULT_COMPILED, NOTHING, Actions, compile_rules, evaluate, parse_actions
from ranvier.proto.push_rules import Change, Rule, Ruleset, UserRules, ruleset_of
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.signed_events import ALICE, build

BOB = "@bob:b.example"
VERSION = ROOM_VERSIONS["11"]
PLAIN = Actions(notify=True)
SOUND = Actions(notify=True, sound="default", tweaks={"sound": "default"})
MENTION = Actions(notify=True, highlight=True, sound="default", tweaks={"sound": "default", "highlight": True})
LOUD = Actions(notify=True, highlight=True, tweaks={"highlight": True})


def _facts(event: Event, *, members: int = 5, sender_level: int = 0, room_level: int = 50) -> EventFacts:
    levels = PowerLevels(users={ALICE: sender_level}, events={}, notifications={"room": room_level}, explicit={})
    return EventFacts(event, member_count=members, levels=levels)


def _message(body: object = "hello", **content: Any) -> Event:
    return build(VERSION, "m.room.message", {"msgtype": "m.text", "body": body, **content})


def _default(event: Event, user_id: str = BOB, **facts: int) -> Actions:
    return evaluate(DEFAULT_COMPILED, _facts(event, **facts), user_id)


def _holds(condition: dict[str, Any], event: Event, display_name: str | None = None, **facts: int) -> bool:
    return compile_condition(condition)(_facts(event, **facts), BOB, display_name)


def test_default_rules_for_messages() -> None:
    assert _default(_message()) == PLAIN
    assert _default(_message(), members=2) == SOUND
    assert _default(_message(), ALICE) == NOTHING
    assert _default(_message(msgtype="m.notice"), members=2) == NOTHING
    assert _default(_message(**{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}})) == NOTHING
    encrypted = build(VERSION, "m.room.encrypted", {})
    assert _default(encrypted) == PLAIN
    assert _default(encrypted, members=2) == SOUND


def test_default_rules_for_mentions() -> None:
    assert _default(_message(**{"m.mentions": {"user_ids": [BOB]}})) == MENTION
    assert _default(_message(**{"m.mentions": {"user_ids": ["@carol:c.example"]}})) == PLAIN
    assert _default(_message(**{"m.mentions": {"user_ids": BOB}})) == PLAIN
    assert _default(_message("hello bob @bob:b.example @room")) == PLAIN
    everyone = _message(**{"m.mentions": {"room": True}})
    assert _default(everyone, sender_level=50) == LOUD
    assert _default(everyone, sender_level=49) == PLAIN
    assert _default(everyone, sender_level=0, room_level=0) == LOUD
    assert _default(_message(**{"m.mentions": {"room": 1}}), sender_level=50) == PLAIN
    # An edit that mentions somebody anew does notify them: the mention stands above the edit.
    edit = {"rel_type": "m.replace", "event_id": "$x"}
    assert _default(_message(**{"m.mentions": {"user_ids": [BOB]}, "m.relates_to": edit})) == MENTION


def test_default_rules_for_other_types() -> None:
    invite = build(VERSION, "m.room.member", {"membership": "invite"}, state_key=BOB)
    assert _default(invite) == SOUND
    assert _default(invite, "@carol:c.example") == NOTHING
    assert _default(build(VERSION, "m.room.member", {"membership": "join"}, state_key=BOB)) == NOTHING
    assert _default(build(VERSION, "m.room.tombstone", {}, state_key="")) == LOUD
    assert _default(build(VERSION, "m.room.tombstone", {})) == NOTHING
    assert _default(build(VERSION, "m.reaction", {})) == NOTHING
    assert _default(build(VERSION, "m.room.server_acl", {}, state_key="")) == NOTHING
    assert _default(build(VERSION, "m.room.topic", {}, state_key="")) == NOTHING
    assert _default(build(VERSION, "m.call.invite", {})) == Actions(notify=True, sound="ring", tweaks={"sound": "ring"})
    assert _default(build(VERSION, "M.Room.Message", {"body": "types are compared without case"})) == PLAIN


def test_the_default_rules_are_shown_as_in_the_spec() -> None:
    rules = ruleset_of(UserRules(), BOB)
    assert [rule.rule_id for rule in rules.override] == [
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.member_event",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
        ".m.rule.tombstone",
        ".m.rule.reaction",
        ".m.rule.room.server_acl",
        ".m.rule.suppress_edits",
    ]
    assert [rule.rule_id for rule in rules.underride] == [
        ".m.rule.call",
        ".m.rule.encrypted_room_one_to_one",
        ".m.rule.room_one_to_one",
        ".m.rule.message",
        ".m.rule.encrypted",
    ]
    assert rules.content == rules.room == rules.sender == ()
    assert [rule.rule_id for rule in rules.override if not rule.enabled] == [".m.rule.master"]
    mention = rules.find("override", ".m.rule.is_user_mention")
    assert mention == Rule(
        rule_id=".m.rule.is_user_mention",
        default=True,
        enabled=True,
        actions=("notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}),
        conditions=({"kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": BOB},),
    )


def _rule(rule_id: str, *actions: Any, **fields: Any) -> Rule:
    return Rule(**{"rule_id": rule_id, "default": False, "enabled": True, "actions": actions, **fields})


def _user(own: Ruleset | None = None, **changes: Change) -> UserRules:
    return UserRules(own=own or Ruleset(), changes={f".m.rule.{name}": change for name, change in changes.items()})


def _evaluate(rules: UserRules, event: Event) -> Actions:
    return evaluate(compile_rules(rules), _facts(event), BOB)


def test_the_kinds_are_checked_in_order() -> None:
    room_id = "!room:a.example"
    kinds: dict[str, tuple[Rule, ...]] = {
        "override": (_rule("o", "notify", {"set_tweak": "kind", "value": "override"}),),
        "content": (_rule("c", "notify", {"set_tweak": "kind", "value": "content"}, pattern="hello"),),
        "room": (_rule(room_id, "notify", {"set_tweak": "kind", "value": "room"}),),
        "sender": (_rule(ALICE, "notify", {"set_tweak": "kind", "value": "sender"}),),
        "underride": (_rule("u", "notify", {"set_tweak": "kind", "value": "underride"}),),
    }
    while kinds:
        assert _evaluate(_user(Ruleset(**kinds)), _message()).tweaks["kind"] == next(iter(kinds))
        kinds.pop(next(iter(kinds)))
    assert _evaluate(_user(), _message()) == PLAIN


def test_rules_of_the_user_stand_above_the_defaults_and_below_the_master() -> None:
    silence = Ruleset(override=(_rule("silence", conditions=()),))
    mention = _message(**{"m.mentions": {"user_ids": [BOB]}})
    assert _evaluate(_user(silence), mention) == NOTHING
    always = Ruleset(override=(_rule("always", "notify"),))
    assert _evaluate(_user(always, master=Change(enabled=True)), mention) == NOTHING


def test_of_two_rules_of_a_kind_the_first_wins() -> None:
    rules = Ruleset(content=(_rule("a", pattern="tea"), _rule("b", "notify", pattern="time")))
    assert _evaluate(_user(rules), _message("It's time for tea")) == NOTHING


def test_disabled_rules_never_match() -> None:
    rules = Ruleset(
        room=(_rule("!room:a.example", enabled=False),),
        content=(_rule("c", pattern="hello", enabled=False),),
        override=(_rule("o", enabled=False),),
    )
    assert _evaluate(_user(rules), _message()) == PLAIN
    assert _evaluate(_user(message=Change(enabled=False)), _message()) == NOTHING


def test_default_rules_may_have_other_actions() -> None:
    assert _evaluate(_user(message=Change(actions=("notify", {"set_tweak": "highlight"}))), _message()) == LOUD


@pytest.mark.parametrize(
    ("actions", "meaning"),
    [
        ([], NOTHING),
        (["dont_notify"], NOTHING),
        (["coalesce"], NOTHING),
        ([{"set_tweak": "sound", "value": "x"}], NOTHING),
        (["notify", "dont_notify", 5, None, {"a": 1}, {"set_tweak": 5}, {"set_tweak": "sound"}], PLAIN),
        (["notify", {"set_tweak": "highlight"}], LOUD),
        (["notify", {"set_tweak": "highlight", "value": False}], Actions(notify=True, tweaks={"highlight": False})),
        (["notify", {"set_tweak": "sound", "value": 5}], Actions(notify=True, tweaks={"sound": 5})),
    ],
)
def test_actions(actions: list[Any], meaning: Actions) -> None:
    assert parse_actions(actions) == meaning


def _match(key: str, pattern: object) -> dict[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def test_event_match_is_about_the_whole_value_without_case() -> None:
    lunch = build(VERSION, "m.room.topic", {"topic": "Lunch plans", "n": 5, "none": None}, state_key="")
    for pattern in ("lunc?*", "LUNC*", "lunch plans", "*", "*PLANS"):
        assert _holds(_match("content.topic", pattern), lunch)
    for pattern in ("lunc", "unch*", "lunch", "", "?"):
        assert not _holds(_match("content.topic", pattern), lunch)
    topics: list[object] = [" lunch", "lunc", None, 5]
    for topic in topics:
        assert not _holds(_match("content.topic", "lunc?*"), build(VERSION, "m.room.topic", {"topic": topic}))
    for key in ("content.n", "content.none", "content.absent", "content", "content.topic.x", "", "unsigned.x", "nope"):
        assert not _holds(_match(key, "*"), lunch)
    assert _holds(_match("state_key", ""), lunch)
    assert not _holds(_match("state_key", "*"), _message())
    for key, value in (
        ("type", "m.room.topic"),
        ("sender", ALICE),
        ("room_id", lunch.room_id),
        ("event_id", lunch.event_id),
    ):
        assert _holds(_match(key, value), lunch)


def test_event_match_on_the_body_is_about_words() -> None:
    for body in ("An example event.", "exple", "An exciting triple-whammy", "EXAMPLE", "an example"):
        assert _holds(_match("content.body", "ex*ple"), _message(body))
    others: list[object] = ["anexample", "examples", "exam", 5, None]
    for other in others:
        assert not _holds(_match("content.body", "ex*ple"), _message(other))


def test_paths_are_escaped() -> None:
    event = _message(**{"a.b": {"c\\d": "x"}, "e\\x": "y", "a": {"b": "z"}})
    assert _holds(_match(r"content.a\.b.c\\d", "x"), event)
    assert _holds(_match(r"content.e\x", "y"), event)
    assert _holds(_match("content.a.b", "z"), event)
    assert not _holds(_match("content.m\\", "*"), event)


def test_event_property_is_exact() -> None:
    event = _message(yes=True, one=1, text="1", none=None, object={}, list=[1])
    value: object
    for key, value in (("yes", True), ("one", 1), ("text", "1"), ("none", None)):
        assert _holds({"kind": "event_property_is", "key": f"content.{key}", "value": value}, event)
    for key, value in (
        ("yes", 1), ("yes", "true"), ("one", True), ("one", "1"), ("one", 1.0), ("text", 1), ("text", "1 "),
        ("none", False), ("absent", None), ("object", {}), ("list", [1]), ("list", 1),
    ):  # fmt: skip
        assert not _holds({"kind": "event_property_is", "key": f"content.{key}", "value": value}, event)
    assert not _holds({"kind": "event_property_is", "key": "content.absent"}, event)
    assert not _holds({"kind": "event_property_is", "key": "content.none"}, event)


def test_event_property_contains_is_exact() -> None:
    event = _message(list=["#a:b", 1, None, [2], {}], text="#a:b")
    value: object
    for value in ("#a:b", 1, None):
        assert _holds({"kind": "event_property_contains", "key": "content.list", "value": value}, event)
    for value in (":b", True, "1", [2], {}, 2):
        assert not _holds({"kind": "event_property_contains", "key": "content.list", "value": value}, event)
    assert not _holds({"kind": "event_property_contains", "key": "content.text", "value": "#a:b"}, event)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [("5", True), ("==5", True), ("<5", False), ("<6", True), (">5", False), (">4", True), (">=5", True), ("<=5", True),
     ("=5", False), ("5 ", False), ("-5", False), ("", False), ("five", False), (5, False), (None, False),
     ("٥", False)],
)  # fmt: skip
def test_room_member_count(wanted: object, holds: bool) -> None:
    assert _holds({"kind": "room_member_count", "is": wanted}, _message(), members=5) is holds


def test_sender_notification_permission() -> None:
    condition = {"kind": "sender_notification_permission", "key": "room"}
    assert _holds(condition, _message(), sender_level=50)
    assert not _holds(condition, _message(), sender_level=49)
    assert not _holds({**condition, "key": "other"}, _message(), sender_level=49, room_level=0)
    assert not _holds({"kind": "sender_notification_permission"}, _message(), sender_level=100)


def test_contains_display_name() -> None:
    condition = {"kind": "contains_display_name"}
    assert _holds(condition, _message("hey BOB!"), "Bob")
    assert _holds(condition, _message("hey a*b (x)"), "A*B (x)")
    for body, name in (("bobby", "Bob"), ("hey Bob", None), ("hey Bob", ""), (5, "Bob"), ("axb", "a*b")):
        assert not _holds(condition, _message(body), name)
    user = _user(Ruleset(override=(_rule("name", "notify", conditions=(condition,)),)))
    assert compile_rules(user).uses_display_name
    assert not DEFAULT_COMPILED.uses_display_name


@pytest.mark.parametrize(
    "condition",
    [{}, {"kind": "device"}, {"kind": 5}, {"kind": "event_match"}, _match("type", 5),
     {"kind": "event_match", "pattern": "*"}, {"kind": "event_property_is", "value": 1},
     {"kind": "event_property_contains", "key": "content.x", "value": [1]}],
)  # fmt: skip
def test_conditions_that_are_not_understood_never_match(condition: dict[str, Any]) -> None:
    assert not _holds(condition, _message())
    rules = Ruleset(override=(_rule("r", conditions=(condition,)),))
    assert _evaluate(_user(rules), _message()) == PLAIN


def test_conditions_on_two_types_never_match() -> None:
    both = (_match("type", "m.room.message"), _match("type", "m.other"))
    assert _evaluate(_user(Ruleset(override=(_rule("r", conditions=both),))), _message()) == PLAIN
    glob = (_match("type", "m.room.*"), _match("type", "M.ROOM.MESSAGE"))
    assert _evaluate(_user(Ruleset(override=(_rule("r", conditions=glob),))), _message()) == NOTHING


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(
        st.sampled_from(["kind", "key", "pattern", "is", "value"]),
        json
        | st.sampled_from(
            [
                "event_match",
                "event_property_is",
                "event_property_contains",
                "room_member_count",
                "content.body",
                "type",
                "*",
            ]
        ),
    )
)
def test_no_condition_raises(condition: dict[str, Any]) -> None:
    assert _holds(condition, _message()) in (True, False)
