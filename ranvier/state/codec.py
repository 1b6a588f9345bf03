"""State differences as bytes: sorted `key_id -> event_nid` pairs, where 0 means that the key is removed.

Small ones are varints (gaps between keys, numbers relative to the smallest event), large ones two fixed-width columns,
compressed. The first byte tells which.
"""

import sys
import zlib
from array import array
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

SMALL: Final = 48
"""Up to so many entries varints are smaller and as fast."""

_VARINTS: Final = 0
_COLUMNS: Final = 1
_WIDTHS: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))


def encode(entries: Mapping[int, int]) -> bytes:
    """The entries as bytes; keys and numbers are not negative."""
    keys = sorted(entries)
    values = [entries[key] for key in keys]
    least = min((value for value in values if value), default=1)
    gaps = [key - before for key, before in zip(keys, [0, *keys], strict=False)]
    numbers = [value - least + 1 if value else 0 for value in values]
    if len(keys) <= SMALL:
        out = bytearray([_VARINTS])
        _put(out, least)
        for gap, number in zip(gaps, numbers, strict=True):
            _put(out, gap)
            _put(out, number)
        return bytes(out)
    out = bytearray([_COLUMNS])
    _put(out, least)
    _put(out, len(keys))
    columns = b"".join(_column(column) for column in (gaps, numbers))
    return bytes(out) + zlib.compress(columns, 1)


def decode(data: bytes) -> dict[int, int]:
    """The inverse of `encode`."""
    least, at = _get(data, 1)
    if data[0] == _VARINTS:
        entries = {}
        key, end = 0, len(data)
        while at < end:
            gap, at = _get(data, at)
            number, at = _get(data, at)
            key += gap
            entries[key] = number and number + least - 1
        return entries
    count, at = _get(data, at)
    columns = zlib.decompress(data[at:])
    gaps, at = _uncolumn(columns, 0, count)
    numbers, _ = _uncolumn(columns, at, count)
    offset = least - 1
    return dict(zip(accumulate(gaps), [number and number + offset for number in numbers], strict=True))


def _put(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _get(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _column(values: list[int]) -> bytes:
    greatest = max(values)
    width, code = next(entry for entry in _WIDTHS if greatest < 1 << 8 * entry[0])
    return bytes([width]) + _little_endian(array(code, values)).tobytes()


def _uncolumn(data: bytes, at: int, count: int) -> tuple["array[int]", int]:
    width = data[at]
    column: array[int] = array(dict(_WIDTHS)[width])
    end = at + 1 + width * count
    column.frombytes(data[at + 1 : end])
    return _little_endian(column), end


def _little_endian(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column.byteswap()
    return column
