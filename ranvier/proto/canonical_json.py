"""Canonical JSON: the one encoding of a value, and the decoding that refuses what it cannot express.

Spec: appendices, "Canonical JSON"; room version 6, "Canonical JSON" (strict from there on). Both ways refuse lone
surrogates, NaN and infinities, and more than `limits.MAX_NESTING` levels. Of duplicate keys the last wins.
"""

import json
from math import isfinite
from typing import Any, Final

import msgspec
import orjson

from ranvier.proto.limits import MAX_NESTING, MAX_STRICT_INTEGER
from ranvier.proto.room_versions import RoomVersion

_STRICT: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_LENIENT: Final = orjson.OPT_SORT_KEYS
_LONG: Final = 32
_LARGE: Final = 4096
_SCALARS: Final = frozenset({str, int, bool, type(None)})


class NotCanonical(ValueError):
    """The value has no canonical JSON, or the bytes are not JSON; the text says why."""


def encode(value: Any) -> bytes:
    """The canonical JSON of a value from outside. Raises `NotCanonical`."""
    if _has_float(value):
        raise NotCanonical("Numbers must be integers")
    return encode_checked(value)


def encode_checked(value: Any) -> bytes:
    """Like `encode`, where it is known that no float is in the value."""
    try:
        return orjson.dumps(value, option=_STRICT)
    except TypeError as error:
        raise NotCanonical(str(error)) from None


def encode_lenient(value: Any) -> bytes:
    """Like `encode`, but floats and integers of any size are written as Python does (room versions 1 to 5)."""
    if not _has_float(value):
        try:
            return orjson.dumps(value, option=_LENIENT)
        except TypeError:
            pass  # Perhaps only an integer beyond 64 bits; the other encoder decides.
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from None


def written(value: Any) -> Any:
    """Stands for a value that `encode_checked` may encode, in others that it is to encode: so it is encoded once."""
    return orjson.Fragment(encode_checked(value))


def encode_for(value: Any, version: RoomVersion) -> bytes:
    """Encode what has passed the checks of this room version before. Raises `NotCanonical`."""
    return encode_checked(value) if version.strict_canonical_json else encode_lenient(value)


def decode(data: bytes | str) -> Any:
    """Strictly canonical values only. Raises `NotCanonical`.

    A number in exponential notation that denotes an integer is that integer, as in the spec's last example.
    """
    return _decode(_strict_decoder, data)


def decode_lenient(data: bytes | str) -> Any:
    """Any JSON; floats stay floats and integers are exact. Raises `NotCanonical`."""
    return _decode(_lenient_decoder, data)


def decode_plain(data: bytes | str) -> Any:
    """Values that are nested within limits, and without a float in them, so that `encode_checked` may encode them.

    Raises `NotCanonical` for all others, also if they are JSON.
    """
    if len(data) < _LARGE:
        return _decode(_plain_decoder, data)
    try:
        value = orjson.loads(data)  # Faster where keys come again and again; what it rounds becomes a float.
    except orjson.JSONDecodeError as error:
        raise NotCanonical(str(error)) from None
    if _has_float(value):
        raise NotCanonical("There is a number that is not written as an integer")
    return value


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes | str) -> Any:
    try:
        value = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotCanonical) as error:
        raise NotCanonical(str(error) or "Not valid JSON") from None
    if _may_be_deep(data):
        _has_float(value)
    return value


def _may_be_deep(data: bytes | str) -> bool:
    if isinstance(data, str):
        return data.count("{") + data.count("[") > MAX_NESTING
    return data.count(b"{") + data.count(b"[") > MAX_NESTING


def _has_float(value: Any) -> bool:
    """Whether there is a float in it. Raises `NotCanonical` for values that are not JSON, and for deep nesting."""
    found = False
    level: list[Any] = [value]
    for depth in range(MAX_NESTING + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind in _SCALARS:
                continue
            if kind is float:
                found = True
            elif kind is not dict and kind is not list and kind is not tuple:
                raise NotCanonical(f"{kind.__name__} is not a JSON type")
            elif depth == MAX_NESTING:
                raise NotCanonical("Too many levels of nesting")
            else:
                values = item.values() if kind is dict else item
                # Of long ones, such as the levels of hundreds of users, nothing is looked at one by one if need not be.
                if len(item) < _LONG or not _SCALARS.issuperset(map(type, values)):
                    below.extend(values)
        if not below:
            break
        level = below
    return found


def _integer_or_refuse(text: str) -> int:
    digits, _, exponent = text.lower().partition("e")
    if "." not in text and not exponent.startswith("-") and len(exponent.lstrip("+0")) <= 2:
        value: int = int(digits) * 10 ** int(exponent)
        if -MAX_STRICT_INTEGER <= value <= MAX_STRICT_INTEGER:
            return value
    raise NotCanonical("Numbers must be integers")


def _refuse(text: str) -> float:
    raise NotCanonical("There is a number that is not written as an integer")


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise NotCanonical("A number is too large")
    return value


_strict_decoder: Final = msgspec.json.Decoder(float_hook=_integer_or_refuse)
_plain_decoder: Final = msgspec.json.Decoder(float_hook=_refuse)
_lenient_decoder: Final = msgspec.json.Decoder(float_hook=_float)
