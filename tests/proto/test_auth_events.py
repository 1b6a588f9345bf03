"""The rules on every other event: membership, required levels, owned state, aliases, third-party invites, redactions."""

import pytest

from ranvier.proto.auth.redaction import redaction_allowed, user_may_redact
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, new_room, since, until


@pytest.fixture(params=VERSIONS)
def room(request: pytest.FixtureRequest) -> Room:
    room = new_room(request.param)
    room.members(bob="join")
    return room


@pytest.mark.parametrize("membership", [None, "invite", "leave", "ban", "knock"])
def test_only_joined_users_send(room: Room, membership: str | None) -> None:
    message = room.event("m.room.message", sender=BOB)
    assert room.allows(message)
    room.members(bob=membership)
    assert not room.allows(message)


@pytest.mark.parametrize(
    ("level", "required", "allowed"), [(50, 50, True), (49, 50, False), (-1, 0, False), (0, -1, True)]
)
def test_a_type_needs_its_level(room: Room, level: int, required: int, allowed: bool) -> None:
    room.levels({"events": {"m.room.topic": required, "m.room.message": required}}, bob=level)
    assert room.allows(room.event("m.room.topic", sender=BOB, state_key="")) is allowed
    assert room.allows(room.event("m.room.message", sender=BOB)) is allowed


def test_state_and_messages_have_their_own_defaults(room: Room) -> None:
    assert room.allows(room.event("org.example.note", sender=BOB))
    assert not room.allows(room.event("org.example.note", sender=BOB, state_key=""))
    room.levels({"state_default": 0, "events_default": 1})
    assert not room.allows(room.event("org.example.note", sender=BOB))
    assert room.allows(room.event("org.example.note", sender=BOB, state_key=""))


def test_state_keys_of_users_are_theirs(room: Room) -> None:
    room.levels(bob=50)
    assert room.allows(room.event("org.example.note", sender=BOB, state_key=BOB))
    assert room.allows(room.event("org.example.note", sender=BOB, state_key="bob"))
    assert not room.allows(room.event("org.example.note", sender=BOB, state_key=ALICE))
    assert not room.allows(room.event("org.example.note", sender=ALICE, state_key="@"))


@pytest.mark.parametrize("version", until(5))
def test_aliases_belong_to_their_server_until_version_5(version: str) -> None:
    room = new_room(version)
    assert room.allows(room.event("m.room.aliases", sender=CAROL, state_key="c.example"))
    assert not room.allows(room.event("m.room.aliases", sender=CAROL, state_key="a.example"))
    assert not room.allows(room.event("m.room.aliases", sender=CAROL))


@pytest.mark.parametrize("version", since(6))
def test_aliases_are_like_any_state_from_version_6(version: str) -> None:
    room = new_room(version)
    assert not room.allows(room.event("m.room.aliases", sender=CAROL, state_key="c.example"))
    assert room.allows(room.event("m.room.aliases", sender=ALICE, state_key="c.example"))


def test_third_party_invites_need_only_the_invite_level(room: Room) -> None:
    room.levels({"invite": 10, "state_default": 100, "events": {"m.room.third_party_invite": 100}}, bob=10)
    assert room.allows(room.event("m.room.third_party_invite", sender=BOB, state_key="token"))
    room.levels({"invite": 11}, bob=10)
    assert not room.allows(room.event("m.room.third_party_invite", sender=BOB, state_key="token"))
    room.members(bob="leave")
    room.levels({"invite": 0})
    assert not room.allows(room.event("m.room.third_party_invite", sender=BOB, state_key="token"))


@pytest.mark.parametrize("version", until(2))
def test_redactions_are_authorised_until_version_2(version: str) -> None:
    room = new_room(version)
    room.members(bob="join", carol="join")
    room.levels({"redact": 50}, carol=50)
    for sender, redacts, allowed in [
        (CAROL, "$x:a.example", True),
        (BOB, "$x:a.example", False),
        (BOB, "$x:b.example", True),
        (BOB, "$x", False),
        (BOB, None, False),
    ]:
        assert room.allows(room.event("m.room.redaction", sender=sender, redacts=redacts)) is allowed


@pytest.mark.parametrize("version", since(3))
def test_redactions_are_like_any_message_from_version_3(version: str) -> None:
    room = new_room(version)
    room.members(bob="join")
    room.levels({"redact": 50})
    assert room.allows(room.event("m.room.redaction", sender=BOB, redacts="$x"))
    room.levels({"redact": 0, "events": {"m.room.redaction": 1}})
    assert not room.allows(room.event("m.room.redaction", sender=BOB, redacts="$x"))


@pytest.mark.parametrize("version", since(3))
def test_a_redaction_takes_effect_with_power_or_on_the_same_server(version: str) -> None:
    room = new_room(version)
    room.levels({"redact": 50}, carol=50)
    target = room.event("m.room.message", sender=BOB)

    def effective(sender: str) -> bool:
        redaction = room.event("m.room.redaction", sender=sender, redacts=target.event_id)
        return redaction_allowed(redaction, target, room.state)

    assert effective(BOB)
    assert effective("@robert:b.example")
    assert effective(CAROL)
    assert not effective("@mallory:m.example")


def test_an_authorised_redaction_stays_in_its_room_and_on_its_target(room: Room) -> None:
    target = room.event("m.room.message", sender=BOB)
    redaction = room.event("m.room.redaction", sender=BOB, redacts=target.event_id)
    assert redaction_allowed(redaction, target, room.state)
    assert not redaction_allowed(redaction, room.event("m.room.message", sender=BOB), room.state)
    target.room_id = "!another:a.example"
    assert not redaction_allowed(redaction, target, room.state)


def test_users_redact_their_own_events_and_the_powerful_those_of_others(room: Room) -> None:
    room.levels({"redact": 50}, carol=50)
    target = room.event("m.room.message", sender=BOB)
    assert user_may_redact(BOB, target, room.state)
    assert user_may_redact(CAROL, target, room.state)
    assert not user_may_redact("@robert:b.example", target, room.state)
