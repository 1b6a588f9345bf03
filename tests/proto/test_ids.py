"""Spec: appendices, "Identifier Grammar"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto import ids

HASH = "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("matrix.org", "matrix.org", None),
        ("matrix.org:8888", "matrix.org", 8888),
        ("1.2.3.4", "1.2.3.4", None),
        ("1.2.3.4:1234", "1.2.3.4", 1234),
        ("[1234:5678::abcd]", "[1234:5678::abcd]", None),
        ("[1234:5678::abcd]:5678", "[1234:5678::abcd]", 5678),
        ("localhost", "localhost", None),
        ("MATRIX.org", "MATRIX.org", None),
        ("1.2.3.4.example", "1.2.3.4.example", None),
    ],
)
def test_valid_server_names_have_a_host_and_perhaps_a_port(name: str, host: str, port: int | None) -> None:
    assert ids.is_server_name(name)
    assert ids.split_server_name(name) == (host, port)


@pytest.mark.parametrize(
    "name",
    [
        "", ":80", "a b", "a_b", "ä.example", "a:", "a:port", "a:123456", "a:1:2", "[::1", "::1", "[]", "[:::1]",
        "[1.2]", "1.2.3.256", "a/b", "a\n", "a" * 256, "a\0", "[::1]x", "a:٣",
    ],
)  # fmt: skip
def test_other_texts_are_no_server_names(name: str) -> None:
    assert not ids.is_server_name(name)


@pytest.mark.parametrize("user_id", ["@alice:a.example", "@a.b_c=d-e/f+1:localhost:8448", "@x:[::1]:80"])
def test_new_user_ids(user_id: str) -> None:
    assert ids.is_new_user_id(user_id)
    assert ids.is_compliant_user_id(user_id)


@pytest.mark.parametrize("user_id", ["@Alice:a", "@a!b:a", "@~:a", "@{}:a"])
def test_historical_user_ids_are_accepted_but_not_made(user_id: str) -> None:
    assert ids.is_user_id(user_id)
    assert ids.is_compliant_user_id(user_id)
    assert not ids.is_new_user_id(user_id)


@pytest.mark.parametrize("user_id", ["@:a", "@ä:a", "@a b:a", "@\n:a", "@\x7f:a"])
def test_odd_user_ids_are_accepted_in_events_but_not_shown(user_id: str) -> None:
    assert ids.is_user_id(user_id)
    assert not ids.is_compliant_user_id(user_id)


@pytest.mark.parametrize("text", ["", "@", "alice:a", "@alice", "@alice:", "@a\0:a", "@a:b:c", "#a:a", "@\ud800:a"])
def test_other_texts_are_no_user_ids(text: str) -> None:
    assert not ids.is_user_id(text)
    assert not ids.is_new_user_id(text)


def test_the_length_of_identifiers_is_counted_in_bytes() -> None:
    assert ids.is_user_id("@" + "a" * 252 + ":b")
    assert not ids.is_user_id("@" + "a" * 253 + ":b")
    assert ids.is_room_alias("#" + "ä" * 126 + ":b")
    assert not ids.is_room_alias("#" + "ä" * 127 + ":b")
    assert not ids.is_room_id("!" + "a" * 253 + ":b")
    assert not ids.is_event_id("$" + "a" * 255)


def test_room_ids_have_a_domain_or_are_a_hash() -> None:
    assert ids.is_room_id("!opaque:a.example")
    assert ids.is_room_id(f"!{HASH}")
    for text in ("!", "!opaque", f"!{HASH}A", f"!{HASH[1:]}/", "#opaque:a", "!:a", "!a:b_c", f"!{HASH}:"):
        assert not ids.is_room_id(text)


def test_room_aliases() -> None:
    assert ids.is_room_alias("#röom 1/2:a.example:80")
    for text in ("#a", "#:a", "a:b", "#a\0:b", "#a:b:c"):
        assert not ids.is_room_alias(text)


def test_event_ids_are_opaque() -> None:
    for text in ("$opaque:a.example", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$x"):
        assert ids.is_event_id(text)
    for text in ("", "$", "x", "$\0", "$\ud800"):
        assert not ids.is_event_id(text)


def test_parts() -> None:
    assert ids.domain_of("@alice:a.example:80") == "a.example:80"
    assert ids.localpart_of("@alice:a.example:80") == "alice"
    assert ids.domain_of(f"!{HASH}") == ""


@given(st.text())
def test_no_text_makes_a_check_raise(text: str) -> None:
    for check in (
        ids.is_user_id, ids.is_compliant_user_id, ids.is_new_user_id, ids.is_room_id, ids.is_room_alias,
        ids.is_event_id, ids.is_server_name,
    ):  # fmt: skip
        for value in (text, "@" + text, "!" + text, "#a:" + text, "$" + text, "@a:1" + text, "@a:[" + text + "]"):
            assert check(value) in (True, False)
