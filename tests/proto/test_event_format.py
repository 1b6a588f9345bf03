"""Spec: room versions, "Event format"; client-server API, "Size limits"."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.event_format import EventTooLarge, InvalidEvent, parse_event
from ranvier.proto.room_versions import RoomVersion
from tests.proto.signed_events import STRICT_VERSIONS, VERSIONS, build, create_room, name_of

every_version = pytest.mark.parametrize("version", VERSIONS, ids=name_of)
WRONG: list[Any] = [None, 5, "text", [], {}, True, 1.5]


def _pdu(version: RoomVersion) -> dict[str, Any]:
    return deepcopy(build(version, "m.room.topic", {"topic": "x"}, state_key="", unsigned={"age": 1}).pdu)


@every_version
@pytest.mark.parametrize(
    "field",
    ["type", "sender", "content", "hashes", "signatures", "origin_server_ts", "depth", "prev_events", "auth_events",
     "room_id", "event_id"],
)  # fmt: skip
def test_every_required_field_is_there_and_of_its_type(version: RoomVersion, field: str) -> None:
    pdu = _pdu(version)
    if field == "event_id" and version.event_ids != "opaque":
        return
    right = pdu.pop(field)
    with pytest.raises(InvalidEvent):
        parse_event(pdu, version)
    for wrong in WRONG:
        if type(wrong) is not type(right):
            with pytest.raises(InvalidEvent):
                parse_event({**pdu, field: wrong}, version)


@every_version
@pytest.mark.parametrize("field", ["state_key", "unsigned"])
def test_optional_fields_are_of_their_type(version: RoomVersion, field: str) -> None:
    pdu = _pdu(version)
    right = pdu.pop(field)
    parse_event(deepcopy(pdu), version)
    for wrong in WRONG:
        if type(wrong) is not type(right):
            with pytest.raises(InvalidEvent):
                parse_event({**pdu, field: wrong}, version)


@every_version
@pytest.mark.parametrize("sender", ["alice:a", "@alice", "@alice:", "", "!a:b", "@a\0:b"])
def test_a_sender_is_a_user_id(version: RoomVersion, sender: str) -> None:
    with pytest.raises(InvalidEvent):
        parse_event({**_pdu(version), "sender": sender}, version)


@every_version
@pytest.mark.parametrize("sender", ["@Alice:a", "@:a", "@ä b:a", "@a:unusual_server"])
def test_historical_senders_are_accepted(version: RoomVersion, sender: str) -> None:
    assert parse_event({**_pdu(version), "sender": sender}, version).sender == sender


@every_version
def test_ids_have_their_sigils(version: RoomVersion) -> None:
    with pytest.raises(InvalidEvent):
        parse_event({**_pdu(version), "room_id": "room:a"}, version)
    if version.event_ids == "opaque":
        with pytest.raises(InvalidEvent):
            parse_event({**_pdu(version), "event_id": "event:a"}, version)


@every_version
@pytest.mark.parametrize("field", ["sender", "room_id", "type", "state_key", "event_id"])
def test_names_have_at_most_255_bytes(version: RoomVersion, field: str) -> None:
    if field == "event_id" and version.event_ids != "opaque":
        return
    start = {"sender": "@a:", "room_id": "!a:", "event_id": "$a:"}.get(field, "aaa")
    parse_event({**_pdu(version), field: start + "ä" * 126}, version)
    with pytest.raises(EventTooLarge):
        parse_event({**_pdu(version), field: start + "ä" * 126 + "a"}, version)


@every_version
def test_a_whole_event_has_at_most_65536_bytes(version: RoomVersion) -> None:
    pdu = _pdu(version)
    pdu["padding"] = ""
    size = len(parse_event(deepcopy(pdu), version).json)
    parse_event({**pdu, "padding": "x" * (65536 - size)}, version)
    with pytest.raises(EventTooLarge):
        parse_event({**pdu, "padding": "x" * (65537 - size)}, version)


@every_version
@pytest.mark.parametrize(("field", "most"), [("prev_events", 20), ("auth_events", 10)])
def test_edges(version: RoomVersion, field: str, most: int) -> None:
    good: Any = ["$id:a", {"sha256": "x"}] if version.edge_hashes else "$id"
    assert len(getattr(parse_event({**_pdu(version), field: [good] * most}, version), field)) == most
    wrong: list[Any] = (
        ["$id", ["$id"], ["$id", "x"], [5, {}], ["$id", {}, 1]] if version.edge_hashes else [["$id", {}], 5]
    )
    for edges in ([good] * (most + 1), *([edge] for edge in wrong), [None], ["$" * 256], ["\ud800" * 64]):
        with pytest.raises(InvalidEvent):
            parse_event({**_pdu(version), field: edges}, version)


@every_version
def test_the_depth_has_a_range(version: RoomVersion) -> None:
    limit = 2**53 - 1 if version.strict_canonical_json else 2**63 - 1
    assert parse_event({**_pdu(version), "depth": limit}, version).depth == limit
    for field in ("depth", "origin_server_ts"):
        with pytest.raises(InvalidEvent):
            parse_event({**_pdu(version), field: limit + 1}, version)


@pytest.mark.parametrize("version", STRICT_VERSIONS, ids=name_of)
@pytest.mark.parametrize("value", [1.0, 1.5, 2**53, -(2**53)])
def test_numbers_are_canonical_everywhere_from_version_6_on(version: RoomVersion, value: float) -> None:
    for field in ("content", "unsigned", "hashes", "custom"):
        with pytest.raises(InvalidEvent):
            parse_event({**_pdu(version), field: {"number": value}}, version)


@every_version
def test_only_the_create_event_of_version_12_has_no_room_id(version: RoomVersion) -> None:
    create = deepcopy(create_room(version).pdu)
    create.pop("room_id", None)
    if version.domainless_room_ids:
        assert parse_event(create, version).room_id.startswith("!")
        # Whether it may have one is for the auth rules to say.
        parse_event({**create, "room_id": "!room:a"}, version)
        del create["state_key"]
    with pytest.raises(InvalidEvent):
        parse_event(create, version)


@given(
    version=st.sampled_from(VERSIONS),
    changes=st.dictionaries(
        st.sampled_from(
            [
                "type",
                "sender",
                "state_key",
                "content",
                "depth",
                "prev_events",
                "room_id",
                "redacts",
                "event_id",
                "unsigned",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
    ),
)
def test_no_event_makes_the_parser_fail_in_another_way(version: RoomVersion, changes: dict[str, Any]) -> None:
    try:
        event = parse_event({**_pdu(version), **changes}, version)
    except InvalidEvent:
        return
    assert event.sender.startswith("@")
    assert event.room_id.startswith("!")
