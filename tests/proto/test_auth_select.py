"""Auth event selection, and the rule that holds events to it."""

from typing import Any

import pytest

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_auth_events
from ranvier.proto.auth.select import auth_types_for, auth_types_of
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, new_room, since, until

CREATE = ("m.room.create", "")
LEVELS = ("m.room.power_levels", "")
RULES = ("m.room.join_rules", "")


def member(user_id: str) -> StateKey:
    return ("m.room.member", user_id)


def base(version: str) -> set[StateKey]:
    return {LEVELS, member(ALICE)} | (set() if version == "12" else {CREATE})


def select(version: str, type: str, state_key: str | None, content: dict[str, Any]) -> set[StateKey]:
    keys = auth_types_for(ROOM_VERSIONS[version], type, ALICE, state_key, content)
    assert len(keys) == len(set(keys))
    return set(keys)


@pytest.mark.parametrize("version", VERSIONS)
def test_create_cites_nothing(version: str) -> None:
    assert select(version, "m.room.create", "", {}) == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_and_state_cite_create_levels_and_sender(version: str) -> None:
    assert select(version, "m.room.message", None, {"membership": "join"}) == base(version)
    assert select(version, "m.room.topic", "", {}) == base(version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("membership", "with_rules"),
    [("join", True), ("invite", True), ("knock", True), ("leave", False), ("ban", False), (1, False), ([], False)],
)
def test_member_events_cite_the_target_and_perhaps_the_join_rules(
    version: str, membership: object, with_rules: bool
) -> None:
    expected = base(version) | {member(BOB)} | ({RULES} if with_rules else set())
    assert select(version, "m.room.member", BOB, {"membership": membership}) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_an_invite_cites_its_third_party_invite(version: str) -> None:
    content = {"membership": "invite", "third_party_invite": {"signed": {"token": "abc"}}}
    expected = base(version) | {member(BOB), RULES, ("m.room.third_party_invite", "abc")}
    assert select(version, "m.room.member", BOB, content) == expected
    assert select(version, "m.room.member", BOB, {**content, "membership": "leave"}) == base(version) | {member(BOB)}


@pytest.mark.parametrize("invite", [None, {}, {"signed": None}, {"signed": {}}, {"signed": {"token": 1}}, [], "x"])
def test_a_malformed_third_party_invite_selects_nothing(invite: object) -> None:
    content = {"membership": "invite", "third_party_invite": invite}
    assert select("11", "m.room.member", BOB, content) == base("11") | {member(BOB), RULES}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_restricted_join_cites_the_member_who_authorised_it(version: str) -> None:
    content = {"membership": "join", "join_authorised_via_users_server": CAROL}
    expected = base(version) | {RULES} | ({member(CAROL)} if version in since(8) else set())
    assert select(version, "m.room.member", ALICE, content) == expected
    invite = {**content, "membership": "invite"}
    assert member(CAROL) not in select(version, "m.room.member", BOB, invite)


def cited(room: Room, event: Event) -> list[Event]:
    return [room.state[key] for key in auth_types_of(event) if key in room.state]


def accepts(event: Event, auth_events: list[Event], rejected: frozenset[str] = frozenset()) -> bool:
    try:
        check_auth_events(event, auth_events, rejected=rejected.__contains__)
    except AuthError:
        return False
    return True


@pytest.mark.parametrize("version", VERSIONS)
def test_the_selected_events_are_accepted(version: str) -> None:
    room = new_room(version)
    room.levels()
    event = room.event("m.room.message")
    assert accepts(event, cited(room, event))
    invite = room.event("m.room.member", {"membership": "invite"}, state_key=BOB)
    assert accepts(invite, cited(room, invite))


@pytest.mark.parametrize("version", VERSIONS)
def test_duplicates_are_refused(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    once = cited(room, event)
    room.members(alice="join")
    assert not accepts(event, [*once, room.state[member(ALICE)]])


@pytest.mark.parametrize("version", VERSIONS)
def test_irrelevant_events_are_refused(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    topic = room.set("m.room.topic", {"topic": "x"})
    assert not accepts(event, [*cited(room, event), topic])
    assert not accepts(event, [*cited(room, event), room.event("m.room.message")])
    assert not accepts(event, [*cited(room, event), room.state[RULES]])


@pytest.mark.parametrize("version", VERSIONS)
def test_rejected_events_are_refused(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    auth_events = cited(room, event)
    assert not accepts(event, auth_events, frozenset({auth_events[-1].event_id}))


@pytest.mark.parametrize("version", VERSIONS)
def test_events_of_another_room_are_refused(version: str) -> None:
    room, other = new_room(version), new_room(version)
    event = room.event("m.room.message")
    foreign = other.set("m.room.member", {"membership": "join"}, state_key=ALICE)
    foreign.room_id = "!another:a.example"
    rest = [cited_event for cited_event in cited(room, event) if cited_event.type != "m.room.member"]
    assert accepts(event, rest)
    assert not accepts(event, [*rest, foreign])


@pytest.mark.parametrize("version", until(11))
def test_the_create_event_is_cited_until_version_11(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    assert not accepts(event, [room.state[member(ALICE)]])


@pytest.mark.parametrize("version", since(12))
def test_the_create_event_is_not_cited_from_version_12(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    assert accepts(event, [room.state[member(ALICE)]])
    assert not accepts(event, [room.create, room.state[member(ALICE)]])
