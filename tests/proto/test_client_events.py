"""Spec: client-server API, `ClientEvent`, "Stripped state"; room version 11, "Moving the `redacts` property"."""

from typing import Any

import orjson
import pytest

from ranvier.proto.client_events import client_core, client_event, client_members, stripped_event
from ranvier.proto.redaction import redact_event
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from tests.proto.signed_events import ALICE, VERSIONS, build, create_room, name_of

every_version = pytest.mark.parametrize("version", VERSIONS, ids=name_of)


@every_version
def test_clients_see_the_fields_of_the_spec_and_no_others(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "x"}, unsigned={"age_ts": 5})
    fields: dict[str, Any] = {
        "content": {"body": "x"},
        "event_id": event.event_id,
        "origin_server_ts": 1_700_000_000_000,
        "sender": ALICE,
        "type": "m.room.message",
    }
    assert orjson.loads(client_event(event, room_id=False)) == fields
    fields["room_id"] = event.room_id
    assert orjson.loads(client_event(event, room_id=True)) == fields
    fields["unsigned"] = {"age": 1}
    for unsigned in ({"age": 1}, b'{"age":1}'):
        assert orjson.loads(client_event(event, room_id=True, unsigned=unsigned)) == fields
    assert "unsigned" not in orjson.loads(client_event(event, room_id=True, unsigned={}))


@every_version
def test_state_has_its_key_even_if_empty(version: RoomVersion) -> None:
    create = create_room(version)
    assert orjson.loads(client_event(create, room_id=True))["state_key"] == ""
    assert orjson.loads(client_event(create, room_id=True))["room_id"] == create.room_id


@every_version
def test_the_core_is_made_once_and_may_be_spliced(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "x"})
    core = client_core(event)
    assert client_core(event) is core
    assert orjson.loads(core + b"}") == orjson.loads(client_event(event, room_id=False))


@every_version
def test_a_redaction_names_its_target_in_both_places(version: RoomVersion) -> None:
    redaction = build(version, "m.room.redaction", {"reason": "x"}, redacts="$target")
    seen = orjson.loads(client_event(redaction, room_id=False))
    assert seen["redacts"] == "$target"
    assert seen["content"] == {"reason": "x", "redacts": "$target"}
    assert redaction.content == redaction.pdu["content"]


@every_version
def test_a_redacted_event_is_shown_redacted(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "x"})
    client_core(event)
    seen = orjson.loads(client_event(redact_event(event), room_id=False, unsigned={"redacted_because": {}}))
    assert seen["content"] == {}
    assert seen["unsigned"] == {"redacted_because": {}}


@every_version
def test_stripped_state_has_four_fields(version: RoomVersion) -> None:
    create = create_room(version)
    assert orjson.loads(stripped_event(create)) == {
        "type": "m.room.create",
        "sender": ALICE,
        "state_key": "",
        "content": create.content,
    }


def test_large_integers_of_old_rooms_are_shown() -> None:
    event = build(ROOM_VERSIONS["1"], "m.room.message", {"n": 10**30, "f": 1.5}, room_id='!"quoted\\:a')
    assert b'"n":1000000000000000000000000000000' in client_core(event)
    assert orjson.loads(client_event(event, room_id=True))["room_id"] == '!"quoted\\:a'


@every_version
def test_members_that_are_not_decoded_look_the_same(version: RoomVersion) -> None:
    content = {"membership": "join", "displayname": 'é"\\\n', "n": [1, {"x": None}], "reason": "\0"}
    events = [build(version, "m.room.member", content, state_key=ALICE) for _ in range(2)]
    alike = [orjson.loads(client_event(event, room_id=True)) for event in events]
    members = client_members(((event.json, event.event_id) for event in events), events[0].room_id)
    assert [orjson.loads(member) for member in members] == alike
