"""Spec: room versions, "Redactions"."""

from copy import deepcopy
from typing import Any

import pytest

from ranvier.proto.event_format import parse_event
from ranvier.proto.redaction import redact, redact_event
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from tests.proto.signed_events import VERSIONS, build, create_room, name_of

MODERN = {"11", "12"}
ALWAYS = {
    "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events",
    "auth_events", "origin_server_ts",
}  # fmt: skip
LEVELS = {"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"}


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_top_level_keys(version: RoomVersion) -> None:
    kept = ALWAYS if version.identifier in MODERN else ALWAYS | {"origin", "membership", "prev_state"}
    others = {"origin", "membership", "prev_state", "unsigned", "redacts", "age_ts", "custom"}
    pdu: dict[str, Any] = {key: key for key in ALWAYS | others}
    pdu["content"] = {"body": "x"}
    assert redact(pdu, version) == {**{key: key for key in kept}, "content": {}}


def _kept(type: str, version: str, extra: set[str]) -> set[str]:
    content = dict.fromkeys({"other"} | extra, 1)
    pdu = {"type": type, "content": content}
    return set(redact(pdu, ROOM_VERSIONS[version])["content"])


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
def test_content_keys(version: str) -> None:
    number = int(version)
    assert _kept("m.room.member", version, {"membership", "join_authorised_via_users_server", "displayname"}) == (
        {"membership", "join_authorised_via_users_server"} if number >= 9 else {"membership"}
    )
    assert _kept("m.room.create", version, {"creator", "m.federate"}) == (
        {"creator", "m.federate", "other"} if number >= 11 else {"creator"}
    )
    assert _kept("m.room.join_rules", version, {"join_rule", "allow"}) == (
        {"join_rule", "allow"} if number >= 8 else {"join_rule"}
    )
    assert _kept("m.room.power_levels", version, LEVELS | {"invite", "notifications"}) == (
        LEVELS | {"invite"} if number >= 11 else LEVELS
    )
    assert _kept("m.room.aliases", version, {"aliases"}) == ({"aliases"} if number <= 5 else set())
    assert _kept("m.room.history_visibility", version, {"history_visibility"}) == {"history_visibility"}
    assert _kept("m.room.redaction", version, {"redacts", "reason"}) == ({"redacts"} if number >= 11 else set())
    for type in ("m.room.message", "m.room.topic", "m.room.third_party_invite", "m.room.encrypted", "custom"):
        assert _kept(type, version, {"body", "membership", "creator"}) == set()


def test_of_a_third_party_invite_the_signed_part_stays_from_version_11_on() -> None:
    third_party_invite = {"display_name": "Alice", "signed": {"token": "x"}}
    content: dict[str, Any] = {"membership": "invite", "third_party_invite": third_party_invite}
    pdu = {"type": "m.room.member", "content": content}
    assert redact(pdu, ROOM_VERSIONS["10"])["content"] == {"membership": "invite"}
    assert redact(pdu, ROOM_VERSIONS["11"])["content"] == {
        "membership": "invite",
        "third_party_invite": {"signed": {"token": "x"}},
    }
    for nothing in ("text", {"display_name": "Alice"}, None):
        content["third_party_invite"] = nothing
        assert redact(pdu, ROOM_VERSIONS["11"])["content"] == {"membership": "invite"}


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
@pytest.mark.parametrize(
    "pdu", [{}, {"content": 5}, {"type": [], "content": {"a": 1}}, {"type": "m.room.member", "content": None}]
)
def test_malformed_events_are_redacted_without_fuss(version: RoomVersion, pdu: dict[str, Any]) -> None:
    assert redact(pdu, version).get("content", {}) == {}


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_redacting_changes_neither_the_original_nor_the_id_and_is_done_once(version: RoomVersion) -> None:
    event = build(version, "m.room.member", {"membership": "join", "displayname": "A"}, state_key="@alice:a.example")
    before = deepcopy(event.pdu)
    redacted = redact_event(event)
    assert event.pdu == before
    assert (redacted.event_id, redacted.room_id, redacted.key) == (event.event_id, event.room_id, event.key)
    assert redacted.content == redacted.pdu["content"] == {"membership": "join"}
    assert redact_event(redacted).json == redacted.json
    again = parse_event(redacted.pdu, version)
    assert (again.event_id, again.json) == (event.event_id, redacted.json)


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_a_redacted_create_event_still_names_its_room(version: RoomVersion) -> None:
    create = create_room(version)
    assert redact_event(create).room_id == create.room_id


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_a_redacted_redaction_names_its_target_where_that_is_protected(version: RoomVersion) -> None:
    redaction = build(version, "m.room.redaction", {"reason": "x"}, redacts="$target")
    assert redaction.redacts == "$target"
    assert redact_event(redaction).redacts == ("$target" if version.identifier in MODERN else None)
