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

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
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
    """Raises 400 if `content` nests deeper than `MAX_NESTING`. Only a body with that many brackets is looked at."""
    if content.count(b"{") + content.count(b"[") <= MAX_NESTING:
        return
    depth = 0
    for token in _BRACKET.finditer(content):
        char = token.group()
        if char in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                raise bad_json("The JSON is nested too deeply")
        elif char in b"]}":
            depth -= 1


def _not_json() -> MatrixError:
    return MatrixError(400, "M_NOT_JSON", "The body is not valid JSON")
