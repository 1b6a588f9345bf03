"""Whatever is in the events, the rules answer yes or no."""

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import levels_of
from ranvier.proto.auth.redaction import redaction_allowed
from ranvier.proto.auth.rules import check_auth_events, check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.auth_room import ALICE, BOB, CAROL, VERSIONS, Room, make_create, make_event

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([ALICE, BOB, "join", "invite", "leave", "ban", "knock", "public", "restricted", "50", "token", "12"]),
)  # fmt: skip
keys = st.one_of(
    st.text(max_size=4),
    st.sampled_from([
        ALICE, BOB, "membership", "users", "events", "notifications", "ban", "invite", "join_rule", "signed", "mxid",
        "token", "third_party_invite", "signatures", "ed25519:1", "public_key", "public_keys", "room_version", "creator",
        "additional_creators", "m.federate", "join_authorised_via_users_server", "users_default",
    ]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=8,
)
contents = st.dictionaries(keys, values, max_size=6)
types = st.sampled_from(
    ["m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.third_party_invite",
     "m.room.aliases", "m.room.redaction", "m.room.message"]
)  # fmt: skip
users = st.sampled_from([ALICE, BOB, CAROL, "@:", "", "nobody"])
state_keys = st.sampled_from([None, "", ALICE, BOB, "token", "a.example", "@"])
described = st.tuples(types, users, state_keys, contents, st.sampled_from([None, "$x", "$x:a.example", ""]))


def build(room: Room, description: tuple[str, str, str | None, dict[str, Any], str | None]) -> Any:
    type, sender, state_key, content, redacts = description
    return make_event(
        room.version,
        room.create.room_id,
        type,
        content,
        sender=sender,
        state_key=state_key,
        redacts=redacts,
        prev_events=(room.create.event_id,),
    )


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(VERSIONS), contents, st.lists(described, max_size=6), described)
def test_the_rules_only_ever_say_yes_or_no(
    identifier: str, create_content: dict[str, Any], before: list[Any], described_event: Any
) -> None:
    version = ROOM_VERSIONS[identifier]
    room = Room(version=version, create=make_create(version, create_content))
    room.state[("m.room.create", "")] = room.create
    room.members(alice="join", bob="join")
    for description in before:
        earlier = build(room, description)
        if earlier.key is not None and earlier.type != "m.room.create":
            room.state[earlier.key] = earlier
    event = build(room, described_event)
    for signed in (True, False):
        room.allows(event, authoriser_signed=signed)
    with contextlib.suppress(AuthError):
        check_auth_events(event, list(room.state.values()), rejected=lambda _: False)
    redaction_allowed(event, room.create, room.state)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(VERSIONS), contents)
def test_levels_are_integers_whatever_the_content(identifier: str, content: dict[str, Any]) -> None:
    version = ROOM_VERSIONS[identifier]
    create = make_create(version)
    levels = levels_of(create, make_event(version, create.room_id, "m.room.power_levels", content, sender=ALICE))
    for user in (ALICE, BOB, "x"):
        assert type(levels.user_level(user)) is int
    for is_state in (True, False):
        assert type(levels.required_level("x", is_state=is_state)) is int
    assert type(levels.notification_level("room")) is int


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(VERSIONS), described)
def test_selection_is_never_about_the_event_itself_in_a_create(identifier: str, description: Any) -> None:
    version = ROOM_VERSIONS[identifier]
    room = Room(version=version, create=make_create(version))
    selected = auth_types_of(build(room, description))
    assert len(selected) == len(set(selected))
    assert (("m.room.create", "") in selected) is (
        not version.domainless_room_ids and description[0] != "m.room.create"
    )


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.dictionaries(st.sampled_from([BOB, CAROL]), st.integers(-10, 110)),
    st.integers(-10, 110),
)
def test_nobody_raises_anyone_above_themselves(identifier: str, proposed: dict[str, int], level: int) -> None:
    version = ROOM_VERSIONS[identifier]
    room = Room(version=version, create=make_create(version))
    room.state[("m.room.create", "")] = room.create
    room.members(bob="join", carol="join")
    old = room.levels({"events": {"m.room.power_levels": -10}}, bob=level, carol=10)
    kept = {user: value for user, value in old.content["users"].items() if user == ALICE}
    content = {**old.content, "users": {**kept, **proposed}}
    event = room.event("m.room.power_levels", content, sender=BOB, state_key="")
    try:
        check_event(event, room.state)
    except AuthError:
        return
    assert all(value <= max(level, old.content["users"].get(user, -11)) for user, value in proposed.items())
