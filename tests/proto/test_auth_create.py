"""Rule 1, the create event, and the rules on what it sets (federation, the room id it implies)."""

from typing import Any

import pytest

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.events import Event
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.auth_room import BOB, VERSIONS, make_create, new_room, since, until


def allows(create: Event) -> bool:
    try:
        check_event(create, {})
    except AuthError:
        return False
    return True


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plain_create_event_is_allowed(version: str) -> None:
    assert allows(make_create(ROOM_VERSIONS[version]))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_create_event_comes_first(version: str) -> None:
    create = make_create(ROOM_VERSIONS[version])
    create.prev_events = ("$earlier",)
    assert not allows(create)


@pytest.mark.parametrize("version", until(11))
def test_the_room_id_has_the_domain_of_the_sender(version: str) -> None:
    create = make_create(ROOM_VERSIONS[version])
    create.room_id = "!room:elsewhere.example"
    assert not allows(create)


@pytest.mark.parametrize("version", since(12))
def test_a_create_event_may_not_carry_a_room_id(version: str) -> None:
    create = make_create(ROOM_VERSIONS[version])
    create.pdu["room_id"] = create.room_id
    assert not allows(create)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("named", "allowed"), [("1", True), ("12", True), ("0", False), (None, False), (7, False), ([], False)]
)
def test_the_room_version_is_known(version: str, named: object, allowed: bool) -> None:
    assert allows(make_create(ROOM_VERSIONS[version], {"room_version": named})) is allowed


@pytest.mark.parametrize("version", VERSIONS)
def test_the_room_version_may_be_left_out(version: str) -> None:
    create = make_create(ROOM_VERSIONS[version])
    del create.content["room_version"]
    assert allows(create)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_creator_is_named_until_version_10(version: str) -> None:
    create = make_create(ROOM_VERSIONS[version])
    create.content.pop("creator", None)
    assert allows(create) is (version not in until(10))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("additional", "valid"),
    [
        ([], True),
        ([BOB, "@x:y"], True),
        (None, False),
        (BOB, False),
        ([BOB, 1], False),
        (["bob:b.example"], False),
        (["@bob"], False),
        (["@bob:"], False),
        (["@" + "b" * 250 + ":b.example"], False),
    ],
)
def test_additional_creators_are_user_ids_from_version_12(version: str, additional: object, valid: bool) -> None:
    create = make_create(ROOM_VERSIONS[version], {"additional_creators": additional})
    assert allows(create) is (valid or version in until(11))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("federate", "allowed"), [(False, False), (True, True), (None, True)])
def test_an_unfederated_room_is_for_one_server(version: str, federate: Any, allowed: bool) -> None:
    room = new_room(version, {} if federate is None else {"m.federate": federate})
    room.members(bob="join")
    assert room.allows(room.event("m.room.message"))
    assert room.allows(room.event("m.room.message", sender=BOB)) is allowed


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_allowed_without_a_create_event(version: str) -> None:
    room = new_room(version)
    del room.state[("m.room.create", "")]
    assert not room.allows(room.event("m.room.message"))
    assert not room.allows(room.event("m.room.member", {"membership": "join"}, state_key="@alice:a.example"))


@pytest.mark.parametrize("version", since(12))
def test_the_room_id_belongs_to_the_create_event(version: str) -> None:
    room = new_room(version)
    event = room.event("m.room.message")
    event.room_id = "!another"
    assert not room.allows(event)
