"""The member rule: joins, leaves, kicks, bans and knocks (invites: `test_auth_invite`)."""

from typing import Any

import pytest

from ranvier.proto.events import Event
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, make_create, new_room, since, until


def change(room: Room, target: str, membership: object, *, sender: str | None = None, **content: Any) -> Event:
    return room.event("m.room.member", {"membership": membership, **content}, sender=sender or target, state_key=target)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_event_has_a_state_key_and_a_known_membership(version: str) -> None:
    room = new_room(version)
    room.join_rule("public")
    assert not room.allows(room.event("m.room.member", {"membership": "join"}, sender=BOB))
    assert not room.allows(room.event("m.room.member", {}, sender=BOB, state_key=BOB))
    for membership in ("dance", "", None, 1, ["join"]):
        assert not room.allows(change(room, BOB, membership))
    assert room.allows(change(room, BOB, "join"))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_creator_joins_first(version: str) -> None:
    room = new_room(version)
    room.state = {("m.room.create", ""): room.create}
    prev_events = (room.create.event_id,)
    join = {"membership": "join"}
    assert room.allows(room.event("m.room.member", join, state_key=ALICE, prev_events=prev_events))
    assert not room.allows(room.event("m.room.member", join, sender=BOB, state_key=BOB, prev_events=prev_events))
    assert not room.allows(room.event("m.room.member", join, state_key=ALICE))
    two = (room.create.event_id, "$another")
    assert not room.allows(room.event("m.room.member", join, state_key=ALICE, prev_events=two))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_creator_is_the_one_named_until_version_10_and_the_sender_from_11(version: str) -> None:
    room = new_room(version)
    room.create = make_create(room.version, {"creator": BOB})
    room.state = {("m.room.create", ""): room.create}
    prev_events = (room.create.event_id,)
    for user in (ALICE, BOB):
        event = room.event(
            "m.room.member", {"membership": "join"}, sender=user, state_key=user, prev_events=prev_events
        )
        assert room.allows(event) is (user == (BOB if version in until(10) else ALICE))


@pytest.mark.parametrize("version", since(12))
def test_an_additional_creator_does_not_join_first(version: str) -> None:
    room = new_room(version, {"additional_creators": [BOB]})
    room.state = {("m.room.create", ""): room.create}
    event = room.event(
        "m.room.member", {"membership": "join"}, sender=BOB, state_key=BOB, prev_events=(room.create.event_id,)
    )
    assert not room.allows(event)


JOINS = [
    # join rule, versions in which it is known, membership before, whether that may join where the rule is known
    ("public", VERSIONS, None, True),
    ("public", VERSIONS, "leave", True),
    ("public", VERSIONS, "invite", True),
    ("public", VERSIONS, "join", True),
    ("public", VERSIONS, "ban", False),
    ("invite", VERSIONS, None, False),
    ("invite", VERSIONS, "leave", False),
    ("invite", VERSIONS, "invite", True),
    ("invite", VERSIONS, "join", True),
    ("invite", VERSIONS, "ban", False),
    ("invite", VERSIONS, "knock", False),
    ("knock", since(7), "knock", False),
    ("knock", since(7), "invite", True),
    ("knock", since(7), "join", True),
    ("knock", since(7), None, False),
    ("knock", since(7), "ban", False),
    ("restricted", since(8), None, False),
    ("restricted", since(8), "invite", True),
    ("restricted", since(8), "join", True),
    ("restricted", since(8), "ban", False),
    ("knock_restricted", since(10), None, False),
    ("knock_restricted", since(10), "invite", True),
    ("knock_restricted", since(10), "join", True),
    ("private", [], "invite", True),
    ("private", [], "join", True),
    ("unheard_of", [], "join", True),
    (None, [], "join", True),
    (["public"], [], "join", True),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("rule", "known", "before", "allowed"), JOINS)
def test_who_may_join(version: str, rule: object, known: list[str], before: str | None, allowed: bool) -> None:
    room = new_room(version)
    room.join_rule(rule)
    room.members(bob=before)
    assert room.allows(change(room, BOB, "join")) is (allowed and version in known)
    assert not room.allows(change(room, BOB, "join", sender=ALICE))


@pytest.mark.parametrize("version", VERSIONS)
def test_without_join_rules_an_invite_is_needed(version: str) -> None:
    room = new_room(version)
    del room.state[("m.room.join_rules", "")]
    assert not room.allows(change(room, BOB, "join"))
    room.members(bob="invite")
    assert room.allows(change(room, BOB, "join"))


RESTRICTED = [("restricted", version) for version in since(8)] + [
    ("knock_restricted", version) for version in since(10)
]


@pytest.mark.parametrize(("rule", "version"), RESTRICTED)
def test_a_restricted_join_is_authorised_by_a_member_who_may_invite(rule: str, version: str) -> None:
    room = new_room(version)
    room.join_rule(rule)
    room.levels({"invite": 50}, carol=50)
    room.members(carol="join")

    def join(**content: Any) -> Event:
        return change(room, BOB, "join", **content)

    by_carol = join(join_authorised_via_users_server=CAROL)
    assert not room.allows(join())
    assert not room.allows(join(join_authorised_via_users_server=None))
    assert not room.allows(join(join_authorised_via_users_server=["x"]))
    assert room.allows(by_carol)
    assert not room.allows(by_carol, authoriser_signed=False)
    room.levels({"invite": 51}, carol=50)
    assert not room.allows(by_carol)
    room.levels({"invite": 50}, carol=50)
    room.members(carol="leave")
    assert not room.allows(by_carol)


@pytest.mark.parametrize("version", until(7))
def test_restricted_joins_are_unknown_before_version_8(version: str) -> None:
    room = new_room(version)
    room.join_rule("restricted")
    room.members(carol="join")
    join = change(room, BOB, "join", join_authorised_via_users_server=CAROL)
    assert not room.allows(join)
    room.join_rule("public")
    assert room.allows(join, authoriser_signed=False)


@pytest.mark.parametrize("version", since(8))
@pytest.mark.parametrize("membership", ["join", "leave"])
def test_whoever_names_an_authoriser_needs_their_server_signature(version: str, membership: str) -> None:
    room = new_room(version)
    room.join_rule("public")
    room.members(bob="join")
    event = change(room, BOB, membership, join_authorised_via_users_server=CAROL)
    assert room.allows(event)
    assert not room.allows(event, authoriser_signed=False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("authoriser", [None, 1, ["@carol:c.example"]])
def test_an_authoriser_that_is_no_user_has_not_signed(version: str, authoriser: object) -> None:
    room = new_room(version)
    room.join_rule("public")
    join = change(room, BOB, "join", join_authorised_via_users_server=authoriser)
    assert room.allows(join) is (version in until(7))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("before", [None, "leave", "invite", "join", "ban", "knock"])
def test_who_may_leave(version: str, before: str | None) -> None:
    room = new_room(version)
    room.members(bob=before)
    expected = before in ("invite", "join") or (before == "knock" and version in since(7))
    assert room.allows(change(room, BOB, "leave")) is expected


KICKS = [
    # sender's level, target's level, target's membership, kick level, ban level, allowed
    (50, 0, "join", 50, 50, True),
    (49, 0, "join", 50, 50, False),
    (50, 49, "join", 50, 50, True),
    (50, 50, "join", 50, 50, False),
    (50, 51, "join", 50, 50, False),
    (50, 0, "invite", 50, 50, True),
    (50, 0, "knock", 50, 50, True),
    (50, 0, "ban", 50, 50, True),
    (50, 0, "ban", 50, 51, False),
    (50, 0, "ban", 51, 50, False),
    (50, 0, "leave", 50, 50, True),
    (50, 0, None, 50, 50, True),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("sender", "target", "before", "kick", "ban", "allowed"), KICKS)
def test_who_may_kick_and_unban(
    version: str, sender: int, target: int, before: str | None, kick: int, ban: int, allowed: bool
) -> None:
    room = new_room(version)
    room.levels({"kick": kick, "ban": ban}, bob=sender, carol=target)
    room.members(bob="join", carol=before)
    event = change(room, CAROL, "leave", sender=BOB)
    assert room.allows(event) is allowed
    room.members(bob="leave")
    assert not room.allows(event)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("sender", "target", "level", "allowed"),
    [(50, 0, 50, True), (49, 0, 50, False), (50, 50, 50, False), (50, 49, 50, True), (0, -1, 0, True)],
)
@pytest.mark.parametrize("before", ["join", "invite", "leave", "ban", "knock", None])
def test_who_may_ban(version: str, sender: int, target: int, level: int, allowed: bool, before: str | None) -> None:
    room = new_room(version)
    room.levels({"ban": level}, bob=sender, carol=target)
    room.members(bob="join", carol=before)
    event = change(room, CAROL, "ban", sender=BOB)
    assert room.allows(event) is allowed
    room.members(bob="leave")
    assert not room.allows(event)


@pytest.mark.parametrize("version", since(12))
def test_creators_kick_everyone_but_each_other(version: str) -> None:
    room = new_room(version, {"additional_creators": [BOB]})
    room.levels(carol=2**53 - 1)
    room.members(bob="join", carol="join")
    assert room.allows(change(room, CAROL, "leave", sender=BOB))
    assert room.allows(change(room, CAROL, "ban", sender=ALICE))
    assert not room.allows(change(room, ALICE, "ban", sender=BOB))
    assert not room.allows(change(room, BOB, "leave", sender=ALICE))
    assert not room.allows(change(room, ALICE, "ban", sender=CAROL))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("before", [None, "leave", "invite", "join", "ban", "knock"])
@pytest.mark.parametrize("rule", ["knock", "knock_restricted", "public", "invite", "restricted"])
def test_who_may_knock(version: str, before: str | None, rule: str) -> None:
    room = new_room(version)
    room.join_rule(rule)
    room.members(bob=before)
    known = (rule == "knock" and version in since(7)) or (rule == "knock_restricted" and version in since(10))
    assert room.allows(change(room, BOB, "knock")) is (known and before not in ("ban", "invite", "join"))
    assert not room.allows(change(room, BOB, "knock", sender=ALICE))
