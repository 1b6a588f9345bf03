"""Spec: client-server API, "Filtering"."""

from typing import Any

import orjson
import pytest

from ranvier.proto.errors import MatrixError
from ranvier.proto.filters import NO_FILTER, Filter, RoomEventFilter, parse_event_filter, parse_filter, select_fields
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.signed_events import ALICE, build

MESSAGE = build(ROOM_VERSIONS["11"], "m.room.message", {"body": "x"})
FILE = build(ROOM_VERSIONS["11"], "m.room.message", {"body": "x", "url": None})


def _filter(**fields: Any) -> RoomEventFilter:
    return parse_event_filter(fields)


def test_an_empty_filter_allows_everything() -> None:
    assert parse_filter(b"{}") == parse_filter({}) == NO_FILTER == Filter()
    assert NO_FILTER.event_format == "client"
    assert not NO_FILTER.room.include_leave
    assert NO_FILTER.room.allows_room("!a:b")
    for part in (NO_FILTER.room.timeline, NO_FILTER.room.state, NO_FILTER.presence, NO_FILTER.account_data):
        assert part.is_open
        assert part.allows(MESSAGE)
        assert part.limit is None


def test_the_example_of_the_spec() -> None:
    parsed = parse_filter(
        orjson.dumps(
            {
                "room": {
                    "state": {"types": ["m.room.*"], "not_rooms": ["!726s6s6q:example.com"]},
                    "timeline": {
                        "limit": 10,
                        "types": ["m.room.message"],
                        "not_rooms": ["!726s6s6q:example.com"],
                        "not_senders": ["@spam:example.com"],
                    },
                    "ephemeral": {
                        "types": ["m.receipt", "m.typing"],
                        "not_rooms": ["!726s6s6q:example.com"],
                        "not_senders": ["@spam:example.com"],
                    },
                },
                "presence": {"types": ["m.presence"], "not_senders": ["@alice:example.com"]},
                "event_format": "client",
                "event_fields": ["type", "content", "sender"],
            }
        )
    )
    timeline = parsed.room.timeline
    assert timeline.limit == 10
    assert timeline.allows(MESSAGE)
    assert not timeline.allows_room("!726s6s6q:example.com")
    assert timeline.allows_room("!other:example.com")
    assert not timeline.allows_sender("@spam:example.com")
    assert parsed.room.state.allows_type("m.room.name")
    assert not parsed.room.state.allows_type("m.reaction")
    assert parsed.room.ephemeral.allows_parts("m.typing", None, {})
    assert not parsed.room.ephemeral.allows_parts("m.other", None, {})
    assert not parsed.presence.allows_parts("m.presence", "@alice:example.com", {})
    assert parsed.event_fields == ("type", "content", "sender")


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"types": []}, False),
        ({"types": ["m.room.message"]}, True),
        ({"types": ["M.ROOM.MESSAGE"]}, False),
        ({"types": ["m.*"]}, True),
        ({"types": ["*message"]}, True),
        ({"types": ["m.room.messag?"]}, False),
        ({"not_types": []}, True),
        ({"types": ["*"], "not_types": ["*.message"]}, False),
        ({"senders": []}, False),
        ({"senders": [ALICE]}, True),
        ({"senders": ["@b:b"]}, False),
        ({"senders": [ALICE], "not_senders": [ALICE]}, False),
        ({"not_senders": ["@b:b"]}, True),
        ({"contains_url": True}, False),
        ({"contains_url": False}, True),
    ],
)
def test_what_is_allowed(fields: dict[str, Any], allowed: bool) -> None:
    assert _filter(**fields).allows(MESSAGE) is allowed


def test_a_url_counts_whatever_it_is() -> None:
    assert _filter(contains_url=True).allows(FILE)
    assert not _filter(contains_url=False).allows(FILE)


def test_rooms() -> None:
    only = parse_filter({"room": {"rooms": ["!a:a", "!b:b"], "not_rooms": ["!b:b"]}}).room
    assert [only.allows_room(room) for room in ("!a:a", "!b:b", "!c:c")] == [True, False, False]
    assert not _filter(rooms=[]).allows_room("!a:a")


def test_switches() -> None:
    switches = {
        "lazy_load_members": True,
        "include_redundant_members": True,
        "unread_thread_notifications": True,
        "related_by_rel_types": ["m.thread"],
        "related_by_senders": [ALICE],
    }
    parsed = parse_filter({"room": {"timeline": switches, "include_leave": True}, "event_format": "federation"})
    timeline = parsed.room.timeline
    assert timeline.lazy_load_members
    assert timeline.include_redundant_members
    assert timeline.unread_thread_notifications
    assert timeline.related_by_rel_types == ("m.thread",)
    assert timeline.related_by_senders == (ALICE,)
    assert parsed.room.include_leave
    assert parsed.event_format == "federation"
    assert timeline.asks_relations
    assert not timeline.is_open


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"room": {"timeline": {"limit": "10"}}}, "room.timeline.limit"),
        ({"room": {"timeline": {"limit": -1}}}, "room.timeline.limit"),
        ({"room": {"timeline": {"types": "m.room.message"}}}, "room.timeline.types"),
        ({"room": {"state": {"lazy_load_members": "yes"}}}, "room.state.lazy_load_members"),
        ({"presence": {"senders": ["alice"]}}, "presence.senders[0]"),
        ({"room": {"rooms": ["#a:b"]}}, "room.rooms[0]"),
        ({"room": []}, "room"),
        ({"event_fields": [5]}, "event_fields[0]"),
        ({"event_format": "xml"}, "event_format"),
    ],
)
def test_a_wrong_type_is_named(source: dict[str, Any], field: str) -> None:
    for form in (source, orjson.dumps(source)):
        with pytest.raises(MatrixError) as error:
            parse_filter(form)
        assert (error.value.status, error.value.errcode) == (400, "M_BAD_JSON")
        assert error.value.error.startswith(f"{field}: ")


@pytest.mark.parametrize("source", [b"", b"[]", b"{", b"5", b"\xff", b"[" * 100_000, '{"room":"\\ud800"}'])
def test_what_is_no_filter_is_refused(source: bytes | str) -> None:
    with pytest.raises(MatrixError) as error:
        parse_filter(source)
    assert error.value.errcode == "M_BAD_JSON"


def test_unknown_fields_are_ignored() -> None:
    assert parse_filter({"org.example": 1, "room": {"x": 1}}) == NO_FILTER


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ([], {}),
        (["type"], {"type": "t"}),
        (["content.body", "type"], {"content": {"body": "b"}, "type": "t"}),
        (["content", "content.body"], {"content": {"body": "b", "a.b": 1, "deep": {"x": 1, "y": 2}}}),
        (["content.body", "content"], {"content": {"body": "b", "a.b": 1, "deep": {"x": 1, "y": 2}}}),
        ([r"content.a\.b", "content.deep.y"], {"content": {"a.b": 1, "deep": {"y": 2}}}),
        (["nope", "content.nope"], {"content": {}}),
    ],
)
def test_event_fields(fields: list[str], left: dict[str, Any]) -> None:
    event = {"type": "t", "sender": "s", "content": {"body": "b", "a.b": 1, "deep": {"x": 1, "y": 2}}}
    assert select_fields(event, fields) == left
