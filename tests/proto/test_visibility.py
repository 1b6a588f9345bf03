"""History visibility, rule by rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.events import Event
from ranvier.proto.visibility import Visibility, sees_everything, visibility_of, visible
from tests.proto.auth_room import ALICE, BOB, new_room

ROOM = new_room("11")
MESSAGE = ROOM.event("m.room.message")

CASES: list[tuple[Visibility, str | None, bool, bool]] = [
    # visibility, membership at the event, joined later, visible
    ("world_readable", None, False, True),
    ("world_readable", "ban", False, True),
    ("shared", "join", False, True),
    ("shared", None, True, True),
    ("shared", "leave", True, True),
    ("shared", "invite", True, True),
    ("shared", None, False, False),
    ("shared", "invite", False, False),
    ("shared", "leave", False, False),
    ("shared", "ban", False, False),
    ("invited", "join", False, True),
    ("invited", "invite", False, True),
    ("invited", "invite", True, True),
    ("invited", None, True, False),
    ("invited", "leave", True, False),
    ("invited", "knock", True, False),
    ("joined", "join", False, True),
    ("joined", "join", True, True),
    ("joined", "invite", True, False),
    ("joined", None, True, False),
    ("joined", "leave", True, False),
]


def sees(event: Event, visibility: Visibility, membership: str | None, *, joined_later: bool = False) -> bool:
    return visible(event, BOB, visibility=visibility, membership=membership, joined_later=joined_later)


@pytest.mark.parametrize(("visibility", "membership", "joined_later", "expected"), CASES)
def test_the_rules(visibility: Visibility, membership: str | None, joined_later: bool, expected: bool) -> None:
    assert sees(MESSAGE, visibility, membership, joined_later=joined_later) is expected


@pytest.mark.parametrize(("content", "expected"), [
    ({"history_visibility": "joined"}, "joined"),
    ({"history_visibility": "world_readable"}, "world_readable"),
    ({"history_visibility": "secret"}, "shared"),
    ({"history_visibility": ["joined"]}, "shared"),
    ({"history_visibility": None}, "shared"),
    ({}, "shared"),
])  # fmt: skip
def test_what_is_not_understood_is_shared(content: dict[str, Any], expected: str) -> None:
    assert visibility_of(ROOM.event("m.room.history_visibility", content, state_key="")) == expected


def test_unset_is_shared() -> None:
    assert visibility_of(None) == "shared"


def change(history_visibility: str, state_key: str | None = "") -> Event:
    return ROOM.event("m.room.history_visibility", {"history_visibility": history_visibility}, state_key=state_key)


def test_a_change_of_visibility_is_seen_by_who_could_see_before_or_after() -> None:
    assert sees(change("joined"), "world_readable", None)
    assert sees(change("world_readable"), "joined", None)
    assert sees(change("shared"), "joined", None, joined_later=True)
    assert sees(change("invited"), "joined", "invite")
    assert not sees(change("invited"), "joined", None)
    assert not sees(change("world_readable", "elsewhere"), "joined", None)
    assert not sees(change("world_readable", None), "joined", None)


def member(user_id: str, membership: object) -> Event:
    return ROOM.event("m.room.member", {"membership": membership}, sender=ALICE, state_key=user_id)


@pytest.mark.parametrize("after", ["leave", "ban", "join"])
def test_users_see_the_end_of_their_own_membership(after: str) -> None:
    assert sees(member(BOB, after), "joined", "join")


@pytest.mark.parametrize("before", [None, "leave", "invite", "ban"])
def test_users_see_their_own_join(before: str | None) -> None:
    assert sees(member(BOB, "join"), "joined", before)
    assert not sees(member(ALICE, "join"), "joined", before)


def test_users_see_their_own_invite_where_the_invited_see() -> None:
    assert sees(member(BOB, "invite"), "invited", None)
    assert not sees(member(ALICE, "invite"), "invited", None)
    assert not sees(member(BOB, "invite"), "joined", None)
    assert not sees(member(BOB, ["join"]), "joined", None)


def test_members_of_a_shared_room_see_everything() -> None:
    assert sees_everything("world_readable", joined_now=False)
    assert sees_everything("shared", joined_now=True)
    assert not sees_everything("shared", joined_now=False)
    assert not sees_everything("invited", joined_now=True)
    assert not sees_everything("joined", joined_now=True)


memberships = st.sampled_from([None, "join", "invite", "leave", "ban", "knock"])
visibilities: st.SearchStrategy[Visibility] = st.sampled_from(["world_readable", "shared", "invited", "joined"])
events = st.sampled_from(
    [MESSAGE, change("joined"), change("world_readable"), member(BOB, "join"), member(BOB, "leave")]
)


@given(events, visibilities, memberships, st.booleans())
def test_the_shortcut_agrees_with_the_rules(
    event: Event, visibility: Visibility, membership: str | None, joined_now: bool
) -> None:
    if sees_everything(visibility, joined_now=joined_now):
        assert sees(event, visibility, membership, joined_later=joined_now)


@given(events, memberships, st.booleans())
def test_each_visibility_shows_no_less_than_the_stricter_one(
    event: Event, membership: str | None, joined_later: bool
) -> None:
    order: list[Visibility] = ["joined", "invited", "world_readable"]
    seen = [sees(event, visibility, membership, joined_later=joined_later) for visibility in order]
    assert seen == sorted(seen)
