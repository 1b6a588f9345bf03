"""Spec: server-server API, "Adding hashes and signatures to outgoing events"; room versions, "Event format"."""

from hashlib import sha256
from typing import Any

import pytest

from ranvier.proto.canonical_json import decode_lenient, encode_lenient
from ranvier.proto.event_build import complete_event
from ranvier.proto.event_format import EventTooLarge, InvalidEvent, load_event, parse_event
from ranvier.proto.hashing import content_hash_matches, reference_hash
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.unpadded_base64 import encode_base64, encode_base64_urlsafe
from tests.proto.signed_events import (
    ALICE,
    KEY,
    LENIENT_VERSIONS,
    SERVER,
    STRICT_VERSIONS,
    VERSIONS,
    build,
    create_room,
    name_of,
)

every_version = pytest.mark.parametrize("version", VERSIONS, ids=name_of)


@every_version
def test_an_event_is_built_received_and_loaded_alike(version: RoomVersion) -> None:
    create = create_room(version)
    unsigned = {"age": 5}
    built = build(
        version, "m.room.topic", {"topic": "Tëa"}, room_id=create.room_id, state_key="", depth=7, unsigned=unsigned,
        prev_events=[create], auth_events=[create],
    )  # fmt: skip
    assert built.json == encode_lenient(built.pdu)
    received = parse_event(decode_lenient(built.json), version)
    loaded = load_event(built.json, built.event_id, version)
    for event in (built, received, loaded):
        assert event.version is version
        assert event.event_id == built.event_id
        assert event.room_id == create.room_id
        assert (event.type, event.sender, event.state_key) == ("m.room.topic", ALICE, "")
        assert event.content == {"topic": "Tëa"}
        assert (event.depth, event.origin_server_ts) == (7, 1_700_000_000_000)
        assert event.prev_events == event.auth_events == (create.event_id,)
        assert event.pdu["unsigned"] == unsigned
        assert event.redacts is None
        assert event.json == built.json
        assert content_hash_matches(event.pdu, version)


@every_version
def test_event_ids_are_as_the_version_says(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "x"})
    digest = reference_hash(event)
    if version.identifier in ("1", "2"):
        assert event.event_id == event.pdu["event_id"]
        assert event.event_id.startswith("$")
        assert event.event_id.endswith(f":{SERVER}")
    else:
        assert "event_id" not in event.pdu
        encode = encode_base64 if version.identifier == "3" else encode_base64_urlsafe
        assert event.event_id == "$" + encode(digest)


@every_version
def test_edges_are_as_the_version_says(version: RoomVersion) -> None:
    create = create_room(version)
    event = build(version, "m.room.message", {}, prev_events=[create], auth_events=[create])
    expected: Any = create.event_id
    if version.identifier in ("1", "2"):
        signed = {key: value for key, value in create.pdu.items() if key not in ("signatures", "unsigned")}
        signed["content"] = {"creator": ALICE}
        expected = [create.event_id, {"sha256": encode_base64(sha256(encode_lenient(signed)).digest())}]
    assert event.pdu["prev_events"] == event.pdu["auth_events"] == [expected]


@every_version
def test_rooms_of_version_12_are_named_after_their_create_event(version: RoomVersion) -> None:
    create = create_room(version)
    if version.identifier == "12":
        assert "room_id" not in create.pdu
        assert create.room_id == "!" + create.event_id[1:]
        assert load_event(create.json, create.event_id, version).room_id == create.room_id
    else:
        assert create.pdu["room_id"] == create.room_id == "!room:a.example"


@every_version
def test_a_redaction_names_its_target_where_the_version_wants_it(version: RoomVersion) -> None:
    redaction = build(version, "m.room.redaction", {"reason": "x"}, redacts="$target")
    assert redaction.redacts == load_event(redaction.json, redaction.event_id, version).redacts == "$target"
    if version.redacts_in_content:
        assert redaction.content == {"reason": "x", "redacts": "$target"}
        assert "redacts" not in redaction.pdu
    else:
        assert redaction.content == {"reason": "x"}
        assert redaction.pdu["redacts"] == "$target"


@every_version
def test_other_types_redact_nothing(version: RoomVersion) -> None:
    assert build(version, "m.room.message", {"redacts": "$target"}).redacts is None
    assert build(version, "m.room.redaction", {"redacts": 5}).redacts is None


@every_version
def test_the_depth_stays_within_its_limit(version: RoomVersion) -> None:
    limit = 2**53 - 1 if version.strict_canonical_json else 2**63 - 1
    assert build(version, "m.room.message", {}, depth=limit + 1).depth == limit


@pytest.mark.parametrize("version", STRICT_VERSIONS, ids=name_of)
@pytest.mark.parametrize("value", [1.5, 1.0, 2**53, 10**30, float("nan")])
def test_numbers_that_are_not_canonical_are_refused(version: RoomVersion, value: float) -> None:
    with pytest.raises(InvalidEvent):
        build(version, "m.room.message", {"deep": [{"number": value}]})
    with pytest.raises(InvalidEvent):
        build(version, "m.room.message", {}, unsigned={"number": value})


@pytest.mark.parametrize("version", LENIENT_VERSIONS, ids=name_of)
@pytest.mark.parametrize("value", [1.5, 2**53, 10**30])
def test_old_versions_take_other_numbers(version: RoomVersion, value: float) -> None:
    event = build(version, "m.room.message", {"number": value})
    loaded = load_event(event.json, event.event_id, version)
    assert loaded.content == {"number": value}
    assert parse_event(loaded.pdu, version).event_id == event.event_id


@every_version
def test_sizes_are_limited(version: RoomVersion) -> None:
    smallest = len(build(version, "t", {"body": ""}).json)
    largest = build(version, "t", {"body": "x" * (65536 - smallest)})
    assert len(largest.json) == 65536
    with pytest.raises(EventTooLarge):
        build(version, "t", {"body": "x" * (65537 - smallest)})
    build(version, "t" * 255, {}, state_key="ä" * 127)
    with pytest.raises(EventTooLarge):
        build(version, "t" * 256, {})
    with pytest.raises(EventTooLarge):
        build(version, "t", {}, state_key="ä" * 128)


@every_version
def test_lone_surrogates_are_refused(version: RoomVersion) -> None:
    with pytest.raises(InvalidEvent):
        build(version, "\ud800", {})
    with pytest.raises(InvalidEvent):
        build(version, "t", {"a": "\ud800"})
    for state_key in ("\ud800", "\ud800" * 100):
        with pytest.raises(InvalidEvent):
            build(version, "t", {}, state_key=state_key)


def test_a_template_of_another_server_is_completed() -> None:
    version = ROOM_VERSIONS["10"]
    template: dict[str, Any] = {
        "type": "m.room.member",
        "sender": ALICE,
        "state_key": ALICE,
        "room_id": "!room:b.example",
        "content": {"membership": "join"},
        "origin_server_ts": 5,
        "depth": 9,
        "prev_events": ["$one"],
        "auth_events": ["$two"],
        "hashes": {"sha256": "theirs"},
        "signatures": {"b.example": {"ed25519:x": "theirs"}},
    }
    event = complete_event(template, version, signing_key=KEY, server_name=SERVER)
    assert content_hash_matches(event.pdu, version)
    assert event.pdu["signatures"].keys() == {SERVER}
    assert event.prev_events == ("$one",)
    with pytest.raises(InvalidEvent):
        complete_event({"type": "m.room.member"}, version, signing_key=KEY, server_name=SERVER)


@every_version
def test_a_changed_content_does_not_match_its_hash(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "x"})
    assert not content_hash_matches({**event.pdu, "content": {"body": "y"}}, version)
    for hashes in (None, {}, {"sha256": 5}, {"sha256": "?"}, {"sha256": ""}):
        assert not content_hash_matches({**event.pdu, "hashes": hashes}, version)
    assert content_hash_matches({**event.pdu, "unsigned": {"age": 1}, "signatures": {}}, version)
