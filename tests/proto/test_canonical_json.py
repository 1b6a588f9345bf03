"""Spec: appendices, "Canonical JSON"; every example of it is here."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.canonical_json import NotCanonical, decode, decode_lenient, encode, encode_lenient
from ranvier.proto.limits import MAX_NESTING

EXAMPLES = [
    ("{}", "{}"),
    ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
    ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        '{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe",'
        ' "three_pids": [{"medium": "email", "address": "john.doe@example.org"},'
        ' {"medium": "msisdn", "address": "123456789"}]}}}',
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
        '[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},'
        '"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    (r'{"a": "\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
    ('{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'),
]


@pytest.mark.parametrize(("source", "canonical"), EXAMPLES)
def test_the_examples_of_the_spec(source: str, canonical: str) -> None:
    assert encode(decode(source)) == canonical.encode()


def test_only_the_escapes_of_the_grammar_are_used() -> None:
    every = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\U0001f600'
    assert (
        encode(every)
        == (
            r'"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f'
            r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f"
            '\\"\\\\/\x7f\u2028\U0001f600"'
        ).encode()
    )


def test_keys_are_sorted_by_code_point_beyond_the_basic_plane_too() -> None:
    assert encode({"\U0001f600": 1, "\uffff": 2, "z": 3}) == '{"z":3,"\uffff":2,"\U0001f600":1}'.encode()


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, 0])
def test_integers_of_53_bits_are_encoded(value: int) -> None:
    assert encode([value]) == f"[{value}]".encode()


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**63, 2**64, 10**30, 1.0, 1.5, float("nan"), float("inf")])
def test_other_numbers_are_refused(value: float) -> None:
    with pytest.raises(NotCanonical):
        encode({"deep": [{"number": value}]})


@pytest.mark.parametrize("value", ["\ud800", b"bytes", object(), {"a": {1, 2}}, {"\udfff": 1}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    for encoder in (encode, encode_lenient):
        with pytest.raises(NotCanonical):
            encoder({"value": value})


@pytest.mark.parametrize(
    "text", ["1.0", "1.5", "1e-1", "1e400", "9007199254740992e0", "1E16", "NaN", "Infinity", "-Infinity"]
)
def test_numbers_that_are_not_integers_are_refused_when_decoding(text: str) -> None:
    with pytest.raises(NotCanonical):
        decode(f'{{"a": {text}}}')


@pytest.mark.parametrize(
    "text", ["", "{", '{"a":}', r'"\ud800"', "﻿{}", "'a'", "[01]", "[1,]", '"\t"', b'"\xff"', "NaN"]
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    for decoder in (decode, decode_lenient):
        with pytest.raises(NotCanonical):
            decoder(text)


def _nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_nesting_has_a_limit_both_ways() -> None:
    deepest, too_deep = _nested(MAX_NESTING), _nested(MAX_NESTING + 1)
    assert decode(encode(deepest)) == deepest
    assert decode_lenient(encode_lenient(deepest)) == deepest
    for encoder in (encode, encode_lenient):
        with pytest.raises(NotCanonical):
            encoder(too_deep)
    for decoder in (decode, decode_lenient):
        with pytest.raises(NotCanonical):
            decoder(json.dumps(too_deep))
        with pytest.raises(NotCanonical):
            decoder("[" * 100_000)


def test_brackets_in_strings_are_no_nesting() -> None:
    assert decode(json.dumps(["[" * 1000])) == ["[" * 1000]


def test_of_duplicate_keys_the_last_wins() -> None:
    assert decode('{"a":1,"a":2}') == {"a": 2}


def test_old_room_versions_may_have_any_number() -> None:
    text = '{"a":10000000000.5,"b":1e+16,"c":1e-07,"d":123456789012345678901234567890,"e":9007199254740993}'
    value = decode_lenient(text)
    assert value["d"] == 123456789012345678901234567890
    # Written as Python writes them, because that is what the hashes of events in such rooms are over.
    assert encode_lenient(value) == text.encode()


scalars = st.none() | st.booleans() | st.text() | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_encoding_agrees_with_the_reference_and_decodes_to_itself(value: Any) -> None:
    reference = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    assert encode(value) == encode_lenient(value) == reference
    assert decode(reference) == decode_lenient(reference) == value


@given(st.binary())
def test_no_bytes_make_decoding_fail_in_another_way(data: bytes) -> None:
    for decoder in (decode, decode_lenient):
        with suppress(NotCanonical):
            decoder(data)
