"""Lists of keys, read and written. Spec: server-server API, "Publishing Keys"."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.canonical_json import decode, encode
from ranvier.proto.key_documents import (
    InvalidKeyDocument,
    OldKey,
    is_key_id,
    read_key_document,
    write_key_document,
)
from ranvier.proto.signing import SigningKey, check_json, sign_json

FIRST, SECOND, OLD = (SigningKey(f"ed25519:{name}", name.encode() * 32) for name in "abc")


def document(**changes: Any) -> dict[str, Any]:
    written = write_key_document(
        server_name="a.test",
        keys=[FIRST, SECOND],
        old_keys={OLD.key_id: OldKey(OLD.public_key, 5)},
        valid_until_ts=9,
    )
    if changes:
        written = sign_json({**written, **changes, "signatures": {}}, "a.test", FIRST)
    return written


def test_what_is_written_can_be_read() -> None:
    read = read_key_document(document(), "a.test")
    assert read.verify_keys == {FIRST.key_id: FIRST.public_key, SECOND.key_id: SECOND.public_key}
    assert read.old_verify_keys == {OLD.key_id: OldKey(OLD.public_key, 5)}
    assert read.valid_until_ts == 9
    kept = decode(read.json)
    assert kept == document()
    check_json(kept, "a.test", {SECOND.key_id: SECOND.public_key})


def test_other_fields_stay_and_other_signatures_go() -> None:
    extended = sign_json(document(more={"x": [1]}), "notary.test", OLD)
    read = read_key_document({**extended, "unsigned": {"age": 3}}, "a.test")
    kept = decode(read.json)
    assert kept["more"] == {"x": [1]}
    assert set(kept["signatures"]) == {"a.test"}
    assert "unsigned" not in kept
    assert read.json == encode(kept)


def test_what_is_not_understood_is_left_out() -> None:
    keys = {
        FIRST.key_id: {"key": document()["verify_keys"][FIRST.key_id]["key"] + "="},
        "curve25519:1": {"key": "A" * 43},
        "ed25519:with space": {"key": "A" * 43},
        "ed25519:": {"key": "A" * 43},
        "ed25519:short": {"key": "AAAA"},
        "ed25519:none": {},
        "ed25519:list": [],
    }
    old = {OLD.key_id: {"key": "A" * 43}, "ed25519:later": {"key": "A" * 43, "expired_ts": "x"}}
    read = read_key_document(document(verify_keys=keys, old_verify_keys=old), "a.test")
    assert set(read.verify_keys) == {FIRST.key_id}
    assert read.old_verify_keys == {}


def test_a_key_is_either_in_use_or_old() -> None:
    old = {FIRST.key_id: {"key": "A" * 43, "expired_ts": 1}}
    read = read_key_document(document(old_verify_keys=old), "a.test")
    assert FIRST.key_id in read.verify_keys
    assert FIRST.key_id not in read.old_verify_keys


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        document(server_name="b.test"),
        document(valid_until_ts=True),
        document(valid_until_ts=None),
        document(verify_keys={SECOND.key_id: {"key": "A" * 43}}),
        {**document(), "more": 1},
        {**document(), "more": 1.5},
        {**document(), "signatures": {"b.test": document()["signatures"]["a.test"]}},
    ],
)
def test_what_is_no_list_of_that_server(value: object) -> None:
    with pytest.raises(InvalidKeyDocument):
        read_key_document(value, "a.test")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just(FIRST.key_id), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["verify_keys", "old_verify_keys", "valid_until_ts", "signatures", "unsigned"]), json_values)
def test_nothing_else_happens(field: str, value: Any) -> None:
    with contextlib.suppress(InvalidKeyDocument):
        read_key_document({**document(), field: value}, "a.test")


@pytest.mark.parametrize(
    ("key_id", "valid"),
    [("ed25519:a_1", True), ("ed25519:" + "a" * 129, False), ("ed25519:a\n", False), ("rsa:1", False), ("", False)],
)
def test_ids_of_keys(key_id: str, valid: bool) -> None:
    assert is_key_id(key_id) is valid
