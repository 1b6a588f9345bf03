"""A request's JSON body, decoded strictly: what is not JSON, or not of the declared shape, is the client's error.

Spec: client-server API, "Standard error response" (`M_NOT_JSON`, `M_BAD_JSON`). Strict means: UTF-8, no byte order mark,
no NaN, no lone surrogates, nothing deeper than `MAX_NESTING`. Of a repeated key the last counts.
"""

import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from ranvier.proto.errors import MatrixError, bad_json
from ranvier.proto.limits import MAX_NESTING

T = TypeVar("T")

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_AS_BRACES = bytes.maketrans(b"[]", b"{}")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'{}[]"\\')
_WHERE = re.compile(r"^(?P<what>.*) - at `(?:key in )?\$\.?(?P<path>.*)`$", re.DOTALL)


def decode_body(content: bytes, kind: type[T]) -> T:
    """`content` as `kind`; empty content is taken for `{}` where `kind` requires nothing.

    Raises 400 `M_NOT_JSON` if it is not JSON and 400 `M_BAD_JSON`, naming the field, if it is not a `kind`.
    """
    key: Any = kind
    decoder: msgspec.json.Decoder[T] = _decoder(key)
    if not content:
        return _decode_empty(decoder)
    _refuse_deep(content)
    try:
        if not content.isascii():
            content.decode()  # The decoder does not look into strings that nobody asks for.
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        raise bad_json(explain(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _not_json() from None


def decode_object(content: bytes) -> dict[str, Any]:
    """`content` as a JSON object of any shape. Raises like `decode_body`; empty content is `{}`."""
    return decode_body(content, dict[str, Any])


def explain(error: msgspec.ValidationError) -> str:
    """What is wrong, and in which field, in a sentence for people."""
    text = str(error)
    match = _WHERE.match(text)
    if match is None or not match["path"]:
        return text if match is None else match["what"]
    return f"{match['path']}: {match['what']}"


@lru_cache(maxsize=1024)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _decode_empty(decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(b"{}")
    except msgspec.ValidationError:
        raise _not_json() from None


def _refuse_deep(content: bytes) -> None:
    """Raises 400 if `content` nests deeper than `MAX_NESTING`. Only a body with that many brackets is looked at.

    The brackets outside of strings are folded away from the inside, one level at a time, all by the C library. Those
    that do not match stay; a few of them are left to the decoder.
    """
    if len(content) <= MAX_NESTING:
        return
    structure = content.translate(None, _NOT_STRUCTURE)
    if structure.count(b"{") + structure.count(b"[") <= MAX_NESTING:
        return
    if b"\\" in structure:
        outside = _STRING.sub(b"", content)
    else:
        # Most strings are empty now; to leave them out does not change which brackets are inside of others.
        outside = b"".join(structure.replace(b'""', b"").split(b'"')[::2])
    brackets = outside.translate(_AS_BRACES, _NOT_BRACKETS)
    for _ in range(MAX_NESTING):
        below = brackets.replace(b"{}", b"")
        if len(below) == len(brackets):
            break
        brackets = below
    if b"{}" in brackets or brackets.count(b"{") > MAX_NESTING:
        raise bad_json("The JSON is nested too deeply")


def _not_json() -> MatrixError:
    return MatrixError(400, "M_NOT_JSON", "The body is not valid JSON")
