"""Events as they come from other servers."""

from typing import Any

import orjson
import pytest

from ranvier.proto import canonical_json
from ranvier.proto.canonical_json import NotCanonical, decode_lenient, decode_plain
from ranvier.proto.event_build import complete_event
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.event_receipt import receive_event, received
from ranvier.proto.hashing import signed_bytes
from ranvier.proto.redaction import redact
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey

KEY = SigningKey("ed25519:1", bytes(32))


class Counting:
    """Counts encodings."""

    def __init__(self) -> None:
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(orjson, name)

    def dumps(self, value: Any, **how: Any) -> bytes:
        """As that of `orjson`."""
        self.count += 1
        return orjson.dumps(value, **how)


def _pdu(version: RoomVersion, **content: Any) -> dict[str, Any]:
    pdu: dict[str, Any] = {
        "type": "m.room.message",
        "room_id": "!room:a.test",
        "sender": "@alice:a.test",
        "content": {"body": "hello", **content},
        "origin_server_ts": 1,
        "depth": 2,
        "prev_events": [],
        "auth_events": [],
    }
    if version.event_ids == "opaque":
        pdu["event_id"] = "$event:a.test"
    return complete_event(pdu, version, signing_key=KEY, server_name="a.test").pdu


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=str)
def test_what_is_signed_is_known_without_another_encoding(
    version: RoomVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdu = _pdu(version)
    counting = Counting()
    monkeypatch.setattr(canonical_json, "orjson", counting)
    found = receive_event(pdu, version)
    assert counting.count == 3
    monkeypatch.undo()
    assert found.signed == signed_bytes(pdu, version)
    assert found.signatures == pdu["signatures"]
    again = received(found.event)
    assert (again.signed, again.signatures) == (found.signed, found.signatures)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=str)
def test_what_was_not_hashed_is_redacted(version: RoomVersion) -> None:
    pdu = _pdu(version)
    pdu["content"] = {"body": "changed"}
    found = receive_event(pdu, version)
    assert found.event.content == {}
    assert found.event.pdu == redact(pdu, version)
    assert found.signed == signed_bytes(pdu, version)


def test_what_is_said_beside_it_is_left_out() -> None:
    version = ROOM_VERSIONS["11"]
    pdu = _pdu(version)
    found = receive_event({**pdu, "unsigned": {"age": 5}}, version)
    assert found.event.json == parse_event(pdu, version).json


@pytest.mark.parametrize("number", ["1.5", "1e2", "1E400", "-0.0"])
def test_plain_values_have_no_floats(number: str) -> None:
    text = f'{{"a":[{number}]}}'
    with pytest.raises(NotCanonical):
        decode_plain(text)
    if number != "1E400":
        assert decode_lenient(text)


def test_plain_values_are_not_deep() -> None:
    deep = "[" * 201 + "]" * 201
    with pytest.raises(NotCanonical):
        decode_plain(deep)
    assert decode_plain('{"a":[1,"b",null,true]}') == {"a": [1, "b", None, True]}


def test_integers_out_of_range_are_refused_also_in_plain_values() -> None:
    version = ROOM_VERSIONS["11"]
    for number in (2**53, 2**64, -(2**70)):
        pdu = decode_plain(orjson.dumps({**_pdu(version), "content": {"n": 0}}).replace(b'"n":0', b'"n":%d' % number))
        with pytest.raises(InvalidEvent):
            receive_event(pdu, version, is_plain=True)


def test_floats_in_long_lists_are_found() -> None:
    for many in ([1] * 100, {str(number): number for number in range(100)}):
        canonical_json.encode({"many": many})
    for wrong in ([1] * 99 + [1.5], {**{str(number): number for number in range(99)}, "x": 1.5}, [1] * 99 + [[1.5]]):
        with pytest.raises(NotCanonical):
            canonical_json.encode({"many": wrong})
