"""How deep a body may nest. Spec: client-server API, "Standard error response"."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.http.json_body import decode_body
from ranvier.proto.errors import MatrixError
from ranvier.proto.limits import MAX_NESTING

_LEAVES = st.text(alphabet='a"\\[]{}é\n') | st.integers(-5, 5) | st.none()
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='"\\{]'), inner))


def _nested(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = [0, value, []] if level % 2 else {"a": value, "b": {}}
    return value


def _errcode(content: bytes) -> str | None:
    try:
        decode_body(content, Any)
    except MatrixError as error:
        return error.errcode
    return None


@given(_VALUES, st.booleans())
def test_what_looks_like_brackets_in_strings_is_text(value: Any, ascii_only: bool) -> None:
    many = ["{" * MAX_NESTING, value, *([[]] * MAX_NESTING)]
    decoded: object = decode_body(json.dumps(many, ensure_ascii=ascii_only).encode(), Any)
    assert decoded == many


@pytest.mark.parametrize("text", ["", '"', "\\", '\\"[{', "]}" * 300])
def test_the_last_level_that_is_allowed(text: str) -> None:
    fits, too_deep = _nested([text], MAX_NESTING - 1), _nested([text], MAX_NESTING)
    decoded: object = decode_body(json.dumps(fits).encode(), Any)
    assert decoded == fits
    assert _errcode(json.dumps(too_deep).encode()) == "M_BAD_JSON"


@pytest.mark.parametrize("content", [b"]" * 300, b"[}" * 300, b"[" + b"[]," * 300, b'"' + b"[]" * 300, b"{}" * 300])
def test_brackets_that_do_not_match_are_no_json(content: bytes) -> None:
    assert _errcode(content) == "M_NOT_JSON"


def test_what_never_ends_is_too_deep() -> None:
    assert _errcode(b"[" * 100_000) == "M_BAD_JSON"


class _Little(msgspec.Struct):
    wanted: int = 0


@pytest.mark.parametrize("unread", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
def test_what_nobody_reads_must_be_utf8_too(unread: bytes) -> None:
    with pytest.raises(MatrixError) as refused:
        decode_body(b'{"wanted": 1, "unread": "%b"}' % unread, _Little)
    assert refused.value.errcode == "M_NOT_JSON"
