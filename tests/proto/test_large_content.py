"""Large contents, such as the power levels of hundreds of users, are decoded and encoded in fewer steps: nobody may see it."""

from contextlib import suppress
from typing import Any

import orjson
import pytest

from ranvier.proto.canonical_json import NotCanonical, decode_lenient, decode_plain, encode
from ranvier.proto.event_build import complete_event
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.event_receipt import receive_event
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey

KEY = SigningKey("ed25519:1", bytes(32))
USERS = {f"@user{number}:elsewhere.test": number for number in range(300)}
LARGE = {"users": USERS, "ban": 50, "é": ['"', "\\u0000\u2028", {"b": 1, "a": None}]}
CONTENTS: dict[str, dict[str, Any]] = {
    "all of it kept": {"users": USERS, "ban": 50},
    "some of it redacted": LARGE,
    "notifications": {"users": USERS, "notifications": {"room": 50}},
}


def event_of(type_: str, content: dict[str, Any], version: str) -> dict[str, Any]:
    """As it is sent."""
    pdu = {
        "type": type_, "state_key": "", "sender": "@a:elsewhere.test", "room_id": "!room:elsewhere.test", "depth": 7,
        "content": content, "origin_server_ts": 1, "prev_events": ["$a"], "auth_events": ["$b"],
    }  # fmt: skip
    if ROOM_VERSIONS[version].edge_hashes:
        pdu |= {"prev_events": [["$a:b", {"sha256": "x"}]], "auth_events": [], "event_id": "$event:elsewhere.test"}
    return complete_event(pdu, ROOM_VERSIONS[version], signing_key=KEY, server_name="elsewhere.test").pdu


@pytest.mark.parametrize("version", ["1", "5", "6", "9", "10", "11", "12"])
@pytest.mark.parametrize("type_", ["m.room.power_levels", "m.room.server_acl", "org.example"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("is_changed", [False, True])
def test_an_event_is_received_as_ever(version: str, type_: str, content: dict[str, Any], is_changed: bool) -> None:
    pdu = event_of(type_, content, version)
    if is_changed:
        pdu = {**pdu, "content": {**pdu["content"], "users": USERS | {"@evil:elsewhere.test": 100}, "further": 1}}
    quick = receive_event(decode_plain(orjson.dumps(pdu)), ROOM_VERSIONS[version], is_plain=True)
    usual = receive_event(pdu, ROOM_VERSIONS[version])
    for one, other in ((quick, usual),):
        assert (one.signed, one.signatures) == (other.signed, other.signatures)
        assert (one.event.event_id, one.event.json) == (other.event.event_id, other.event.json)
        assert one.event.content == other.event.content
    if type_ != "m.room.power_levels" and is_changed:
        assert quick.event.content == {}


def test_what_is_too_large_for_canonical_json_is_no_event() -> None:
    pdu = event_of("m.room.power_levels", CONTENTS["all of it kept"], "10")
    pdu = {**pdu, "content": {**pdu["content"], "ban": 2**60}}
    with pytest.raises(InvalidEvent):
        receive_event(decode_plain(orjson.dumps(pdu)), ROOM_VERSIONS["10"], is_plain=True)


@pytest.mark.parametrize(
    "entry", ["1.0", "1e3", "1.5", "-0.0", "123456789012345678901234567890", "[" * 200 + "]" * 200, "NaN", '"\\ud800"']
)
@pytest.mark.parametrize("padding", [10, 10_000])
def test_large_values_are_refused_as_small_ones(entry: str, padding: int) -> None:
    text = f'{{"padding": "{"x" * padding}", "entry": {entry}}}'.encode()
    with suppress(NotCanonical):
        plain = decode_plain(text)
        assert plain == decode_lenient(text)
        encode(plain)
        raise AssertionError(f"{entry} has canonical JSON")


def test_of_duplicate_keys_the_last_wins_in_large_values() -> None:
    assert decode_plain(b'{"a":1,"a":2,"x":"%b"}' % (b"x" * 5000))["a"] == 2
