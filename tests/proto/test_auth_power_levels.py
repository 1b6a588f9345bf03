"""Power levels: reading them, their defaults, and the rule on changing them."""

from typing import Any

import pytest

from ranvier.proto.auth.power_levels import CREATOR_LEVEL, levels_of, power_levels, read_level
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, new_room, since, until


@pytest.mark.parametrize("version", VERSIONS)
def test_without_power_levels_only_the_creator_has_power(version: str) -> None:
    levels = power_levels(new_room(version).state)
    assert levels.user_level(ALICE) == (CREATOR_LEVEL if version == "12" else 100)
    assert levels.user_level(BOB) == 0
    assert levels.required_level("m.room.message", is_state=False) == 0
    assert levels.required_level("m.room.topic", is_state=True) == 50
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)
    assert levels.notification_level("room") == 50


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_event_has_defaults_and_gives_the_creator_power_only_in_version_12(version: str) -> None:
    room = new_room(version)
    room.set("m.room.power_levels", {})
    levels = power_levels(room.state)
    assert levels.user_level(ALICE) == (CREATOR_LEVEL if version == "12" else 0)
    assert levels.required_level("m.room.topic", is_state=True) == 50
    assert levels.required_level("m.room.message", is_state=False) == 0
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)


def test_nobody_has_power_in_an_empty_state() -> None:
    assert power_levels({}).user_level(ALICE) == 0


def test_everything_that_is_set_holds() -> None:
    room = new_room("11")
    room.levels(
        {
            "users_default": 5, "events_default": 6, "state_default": 7, "ban": 8, "kick": 9, "redact": 10, "invite": 11,
            "events": {"m.room.topic": 12}, "notifications": {"room": 13},
        },
        bob=14,
    )  # fmt: skip
    levels = power_levels(room.state)
    assert (levels.user_level(CAROL), levels.user_level(BOB)) == (5, 14)
    assert levels.required_level("m.room.name", is_state=True) == 7
    assert levels.required_level("m.room.name", is_state=False) == 6
    assert levels.required_level("m.room.topic", is_state=False) == 12
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (8, 9, 10, 11)
    assert (levels.notification_level("room"), levels.notification_level("other")) == (13, 50)


@pytest.mark.parametrize("version", since(12))
def test_additional_creators_have_power_too(version: str) -> None:
    levels = power_levels(new_room(version, {"additional_creators": [BOB]}).state)
    assert levels.user_level(BOB) == CREATOR_LEVEL > 2**53
    assert levels.user_level(CAROL) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_event_is_parsed_once(version: str) -> None:
    room = new_room(version)
    event = room.levels()
    assert levels_of(room.create, event) is levels_of(room.create, event)
    assert levels_of(room.create, None) is levels_of(room.create, None)


LENIENT: list[tuple[object, int | None]] = [
    ("100", 100), ("000100", 100), ("+100", 100), ("-100", -100), (" 100 ", 100), (" 00100 ", 100), (" +100 ", 100),
    ("\t-100\n", -100), (50.57, 50), (-50.57, -50), (5.114698e4, 51146), (1e30, 10**30 + 19884624838656),
    ("1.0", None), ("1e2", None), ("", None), (" ", None), ("+ 1", None), ("1_0", None), ("٣", None), ("0x1", None),
    ("9" * 5000, None), (float("inf"), None), (float("nan"), None), (True, None), (None, None), ([], None), ({}, None),
]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("value", "level"), LENIENT)
def test_strings_and_floats_are_levels_until_version_9(version: str, value: object, level: int | None) -> None:
    assert read_level(value, ROOM_VERSIONS[version]) == (level if version in until(9) else None)


@pytest.mark.parametrize("version", VERSIONS)
def test_integers_are_levels_always(version: str) -> None:
    for value in (0, -1, 2**53 - 1):
        assert read_level(value, ROOM_VERSIONS[version]) == value


# The rule on changes.


def propose(room: Room, content: dict[str, Any], *, sender: str = BOB) -> bool:
    return room.allows(room.event("m.room.power_levels", content, sender=sender, state_key=""))


@pytest.fixture(params=VERSIONS)
def room(request: pytest.FixtureRequest) -> Room:
    """Bob, with 50, may send power levels; no event has been sent yet."""
    room = new_room(request.param)
    room.members(bob="join", carol="join")
    return room


def with_levels(room: Room, content: dict[str, Any] | None = None, **users: int) -> dict[str, Any]:
    """Set levels under which Bob has 50, and return their content to be changed."""
    event = room.levels({"events": {"m.room.power_levels": 50}, **(content or {})}, bob=50, **users)
    return dict(event.content)


@pytest.mark.parametrize(
    "name", ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]
)
@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        (10, 20, True), (50, 50, True), (50, 10, True), (None, 50, True), (None, 51, False), (50, None, True),
        (51, None, False), (51, 10, False), (51, 51, True), (10, 51, False),
    ],
)  # fmt: skip
def test_levels_above_ones_own_are_out_of_reach(
    room: Room, name: str, old: int | None, new: int | None, allowed: bool
) -> None:
    content = with_levels(room, {} if old is None else {name: old})
    content.pop(name, None)
    if new is not None:
        content[name] = new
    assert propose(room, content) is allowed


@pytest.mark.parametrize("name", ["events", "notifications"])
@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [(10, 20, True), (50, 10, True), (None, 50, True), (None, 51, False), (51, 10, False), (51, None, False),
     (50, None, True), (51, 51, True), (10, 51, False)],
)  # fmt: skip
def test_entries_above_ones_own_level_are_out_of_reach(
    room: Room, name: str, old: int | None, new: int | None, allowed: bool
) -> None:
    others = {"m.room.power_levels": 50}
    content = with_levels(room, {name: {**others, **({} if old is None else {"x": old})}})
    content[name] = {**others, **({} if new is None else {"x": new})}
    unchecked = name == "notifications" and room.version.identifier in until(5)
    assert propose(room, content) is (allowed or unchecked)


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [(10, 20, True), (49, None, True), (50, 10, False), (50, None, False), (51, 10, False), (None, 50, True),
     (None, 51, False), (10, 51, False), (50, 50, True), (60, 60, True), (-5, 0, True)],
)  # fmt: skip
def test_users_of_equal_power_are_out_of_reach(room: Room, old: int | None, new: int | None, allowed: bool) -> None:
    content = with_levels(room, {}, **({} if old is None else {"carol": old}))
    users = dict(content["users"])
    users.pop(CAROL, None)
    content["users"] = users if new is None else {**users, CAROL: new}
    assert propose(room, content) is allowed


@pytest.mark.parametrize(("level", "allowed"), [(49, True), (None, True), (51, False), (100, False)])
def test_users_may_lower_but_not_raise_themselves(room: Room, level: int | None, allowed: bool) -> None:
    content = with_levels(room)
    users = {user: value for user, value in content["users"].items() if user != BOB}
    content["users"] = users if level is None else {**users, BOB: level}
    assert propose(room, content) is allowed


def test_the_first_levels_need_only_be_well_formed(room: Room) -> None:
    assert propose(room, {"users": {BOB: 1000}, "ban": 2000}, sender=ALICE)
    assert propose(room, {}, sender=ALICE)
    assert not propose(room, {}, sender=BOB)


@pytest.mark.parametrize(
    "users", [None, [], "x", {"bob": 1}, {"@bob": 1}, {BOB: "high"}, {BOB: None}, {BOB: True}, {BOB: []}]
)
def test_users_is_a_mapping_of_user_ids_to_levels(room: Room, users: object) -> None:
    assert not propose(room, {"users": users}, sender=ALICE)


@pytest.mark.parametrize("value", ["50", 50.5])
def test_strings_and_floats_are_refused_from_version_10(room: Room, value: object) -> None:
    lenient = room.version.identifier in until(9)
    for content in (
        {"users": {BOB: value}},
        {"ban": value},
        {"events": {"x": value}},
        {"notifications": {"room": value}},
    ):
        assert propose(room, content, sender=ALICE) is lenient


@pytest.mark.parametrize("content", [{"ban": None}, {"events": []}, {"events": {"x": None}}, {"notifications": 1}])
def test_what_is_no_level_is_refused_from_version_10_and_ignored_before(room: Room, content: dict[str, Any]) -> None:
    assert propose(room, content, sender=ALICE) is (room.version.identifier in until(9))


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_infinite_levels_are_refused(value: float) -> None:
    room = new_room("5")
    for content in ({"users": {BOB: value}}, {"ban": value}, {"events": {"x": value}}, {"notifications": {"x": value}}):
        assert not propose(room, content, sender=ALICE)


@pytest.mark.parametrize("version", until(9))
def test_the_same_level_written_differently_is_no_change(version: str) -> None:
    room = new_room(version)
    room.members(bob="join")
    content = with_levels(room, {"ban": "0100"})
    assert propose(room, {**content, "ban": 100})
    assert not propose(room, {**content, "ban": 101})


@pytest.mark.parametrize("version", since(12))
def test_creators_have_no_entry_in_users(version: str) -> None:
    room = new_room(version, {"additional_creators": [BOB]})
    assert propose(room, {"users": {CAROL: 100}}, sender=ALICE)
    assert not propose(room, {"users": {ALICE: 100}}, sender=ALICE)
    assert not propose(room, {"users": {BOB: 100}}, sender=ALICE)
    room.levels({"ban": 2**53 - 1}, carol=2**53 - 1)
    room.members(bob="join")
    assert propose(room, {"users": {CAROL: 0}}, sender=BOB)


def test_levels_need_the_power_to_send_their_type(room: Room) -> None:
    content = with_levels(room, {"events": {"m.room.power_levels": 51}})
    assert not propose(room, content)
