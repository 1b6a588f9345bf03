"""Spec: appendices, "Signing JSON", "Cryptographic Test Vectors"; server-server API, "Signing Events"."""

from base64 import b64decode
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.canonical_json import NotCanonical
from ranvier.proto.event_build import complete_event
from ranvier.proto.event_format import parse_event
from ranvier.proto.hashing import content_hash, signed_bytes
from ranvier.proto.redaction import redact_event
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import (
    SignatureError,
    SigningKey,
    authorising_server,
    check_event,
    check_json,
    required_signers,
    sign_json,
    signatures_of,
)
from ranvier.proto.unpadded_base64 import decode_base64, encode_base64, encode_base64_urlsafe
from tests.proto.signed_events import ALICE, KEY, SERVER, VERSIONS, build, name_of

SPEC_KEY = SigningKey("ed25519:1", b64decode("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1="))
PUBLIC = {"ed25519:1": SPEC_KEY.public_key}


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_json_of_the_spec_is_signed_as_there(value: dict[str, Any], signature: str) -> None:
    signed = sign_json(value, "domain", SPEC_KEY)
    assert signed == {**value, "signatures": {"domain": {"ed25519:1": signature}}}
    check_json(signed, "domain", PUBLIC)


MINIMAL = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}


def test_the_minimal_event_of_the_spec_is_signed_as_there() -> None:
    event = complete_event(deepcopy(MINIMAL), ROOM_VERSIONS["4"], signing_key=SPEC_KEY, server_name="domain")
    assert event.pdu["hashes"] == {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"}
    assert event.pdu["signatures"] == {
        "domain": {
            "ed25519:1": "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"
        }
    }
    assert event.pdu["unsigned"] == {"age_ts": 1000000}


def test_the_event_with_redactable_content_of_the_spec_is_signed_as_there() -> None:
    # It has no depth and no edges, so that it is no event in any room version: the parts are tested.
    pdu = deepcopy(REDACTABLE)
    pdu["hashes"] = {"sha256": encode_base64(content_hash(pdu, ROOM_VERSIONS["1"]))}
    assert pdu["hashes"] == {"sha256": "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"}
    assert SPEC_KEY.sign(signed_bytes(pdu, ROOM_VERSIONS["1"])) == (
        "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"
    )


@pytest.mark.parametrize(
    ("plain", "encoded"),
    [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"foob", "Zm9vYg"), (b"fooba", "Zm9vYmE"),
     (b"foobar", "Zm9vYmFy")],
)  # fmt: skip
def test_base64_of_the_spec(plain: bytes, encoded: str) -> None:
    assert encode_base64(plain) == encoded
    padded = encoded + "=" * (-len(encoded) % 4)
    assert decode_base64(encoded) == decode_base64(padded) == plain


@given(st.binary())
def test_base64_is_decoded_in_both_alphabets(value: bytes) -> None:
    assert decode_base64(encode_base64(value)) == decode_base64(encode_base64_urlsafe(value)) == value


@given(st.text() | st.none() | st.integers())
def test_what_is_not_base64_is_none(text: object) -> None:
    assert decode_base64(text) is None or isinstance(text, str)


def test_what_is_not_signed_may_change() -> None:
    signed = sign_json({"a": 1, "unsigned": {"age": 1}}, "domain", SPEC_KEY)
    signed["unsigned"] = {"age": 2}
    signed["signatures"]["other"] = {"ed25519:x": "?"}
    check_json(signed, "domain", PUBLIC)


def test_signatures_of_several_servers_and_keys_stand_together() -> None:
    second = SigningKey("ed25519:2", b"\2" * 32)
    signed = sign_json(sign_json(sign_json({"a": 1}, "domain", SPEC_KEY), "domain", second), SERVER, KEY)
    check_json(signed, "domain", {**PUBLIC, "ed25519:2": second.public_key})
    check_json(signed, SERVER, {KEY.key_id: KEY.public_key})


def test_the_object_that_is_signed_is_left_as_it_was() -> None:
    value: dict[str, Any] = {"signatures": {"domain": {"ed25519:0": "x"}}}
    before = deepcopy(value)
    sign_json(value, "domain", SPEC_KEY)
    assert value == before


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        "text",
        {},
        {"other": {"ed25519:1": "x"}},
        {"domain": "text"},
        {"domain": {}},
        {"domain": {"ed25519:1": 5}},
        {"domain": {"ed25519:1": "not base64!"}},
        {"domain": {"ed25519:1": "AAAA"}},
        {"domain": {"ed25519:1": "A" * 86}},
        {"domain": {"rsa:1": "A" * 86}},
        {"domain": {"ed25519:unknown": "A" * 86}},
    ],
)
def test_without_a_right_signature_by_a_known_key_the_check_fails(signatures: object) -> None:
    with pytest.raises(SignatureError):
        check_json({"a": 1, "signatures": signatures}, "domain", PUBLIC)


def test_unknown_keys_and_algorithms_are_skipped() -> None:
    signed = sign_json({"a": 1}, "domain", SPEC_KEY)
    signed["signatures"]["domain"] |= {"ed25519:other": "A" * 86, "rsa:1": "?"}
    check_json(signed, "domain", PUBLIC)


def test_one_wrong_signature_of_a_known_key_is_enough_to_fail() -> None:
    second = SigningKey("ed25519:2", b"\2" * 32)
    signed = sign_json({"a": 1}, "domain", SPEC_KEY)
    signed["signatures"]["domain"]["ed25519:2"] = second.sign(b"something else")
    with pytest.raises(SignatureError):
        check_json(signed, "domain", {**PUBLIC, "ed25519:2": second.public_key})


def test_a_changed_object_or_another_key_fails() -> None:
    signed = sign_json({"a": 1}, "domain", SPEC_KEY)
    with pytest.raises(SignatureError):
        check_json({**signed, "a": 2}, "domain", PUBLIC)
    with pytest.raises(SignatureError):
        check_json(signed, "domain", {"ed25519:1": KEY.public_key})
    with pytest.raises(SignatureError):
        check_json({**signed, "a": 1.5}, "domain", PUBLIC)


def test_what_has_no_canonical_form_is_not_signed() -> None:
    with pytest.raises(NotCanonical):
        sign_json({"a": 1.5}, "domain", SPEC_KEY)


def test_the_key_does_not_show_itself() -> None:
    assert repr(SPEC_KEY) == "SigningKey(ed25519:1)"


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_signatures_on_events_survive_redaction_and_the_network(version: RoomVersion) -> None:
    event = build(version, "m.room.message", {"body": "hello", "msgtype": "m.text"})
    received = parse_event(deepcopy(event.pdu), version)
    assert received.event_id == event.event_id
    public = {KEY.key_id: KEY.public_key}
    for copy in (event, received, redact_event(event)):
        check_event(copy, SERVER, public)
    assert signatures_of(event.pdu, SERVER).keys() == {KEY.key_id}
    forged = parse_event({**event.pdu, "depth": 3}, version)
    with pytest.raises(SignatureError):
        check_event(forged, SERVER, public)


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_who_must_have_signed(version: RoomVersion) -> None:
    named = {"other.example"} if version.event_ids == "opaque" else set()
    event = build(version, "m.room.message", {}, server_name="other.example")
    assert required_signers(event) == {SERVER, *named}
    invite = {"membership": "invite", "third_party_invite": {"signed": {}}}
    by_email = build(version, "m.room.member", invite, state_key="@bob:b.example", server_name="other.example")
    assert required_signers(by_email) == named
    invite["third_party_invite"] = "nonsense"
    nonsense = build(version, "m.room.member", invite, state_key="@bob:b.example")
    assert required_signers(nonsense) == {SERVER}


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_who_must_have_authorised_a_restricted_join(version: RoomVersion) -> None:
    content: dict[str, Any] = {"membership": "join", "join_authorised_via_users_server": "@bob:b.example"}
    join = build(version, "m.room.member", content, state_key=ALICE)
    assert authorising_server(join) == ("b.example" if version.restricted_joins else None)
    for other in ({**content, "membership": "leave"}, {**content, "join_authorised_via_users_server": 5}):
        assert authorising_server(build(version, "m.room.member", other, state_key=ALICE)) is None
    assert authorising_server(build(version, "m.room.message", content)) is None
