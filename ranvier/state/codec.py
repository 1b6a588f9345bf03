"""State differences as bytes: sorted `key_id -> event_nid` pairs, where 0 means that the key is removed.

The first byte tells the form. Few entries are varints; many are two columns of fixed width, which decode without a loop
in Python. A *directory* holds where the chunks of a difference begin that is too large for one row: rows of SQLite's
clustered tables beyond about 1,000 bytes take whole pages of their own.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

MAX_ENTRIES: Final = 128
"""The most entries in one row."""
MAX_BYTES: Final = 900
"""The most bytes of one row's entries."""

_MAX_VARINT_ENTRIES: Final = 48
_VARINTS: Final = ord("v")
_COLUMNS: Final = ord("c")
_DEFLATED_COLUMNS: Final = ord("z")
_DIRECTORY: Final = ord("d")
_WIDTHS: Final = ((1 << 8, "B"), (1 << 16, "H"), (1 << 32, "I"), (1 << 64, "Q"))

Entries = Sequence[tuple[int, int]]
"""`(key_id, event_nid)` pairs, sorted by key."""


def encode(entries: Entries) -> bytes:
    """Entries as bytes. There must be one at least; no number may be negative."""
    least = min((nid for _, nid in entries if nid), default=1)
    values = [nid and nid - least + 1 for _, nid in entries]
    first = entries[0][0]
    gaps = [after[0] - before[0] for before, after in pairwise(entries)]
    if len(entries) > _MAX_VARINT_ENTRIES:
        return _encode_columns(first, least, gaps, values)
    out = bytearray((_VARINTS,))
    _append_varints(out, (first, least, values[0]))
    for pair in zip(gaps, values[1:], strict=True):
        _append_varints(out, pair)
    return bytes(out)


def decode(blob: bytes) -> dict[int, int]:
    """The inverse of `encode`, in the order of the keys."""
    if blob[0] != _VARINTS:
        return _decode_columns(blob)
    numbers = _varints(blob, 1)
    key = next(numbers)
    offset = next(numbers) - 1
    value = next(numbers)
    entries = {key: value and value + offset}
    for gap in numbers:
        key += gap
        value = next(numbers)
        entries[key] = value and value + offset
    return entries


def encode_rows(entries: Entries) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A difference of any size: its own row's bytes, and `(first_key, bytes)` of its chunks, none if it is small."""
    if len(entries) <= MAX_ENTRIES:
        blob = encode(entries)
        if len(blob) <= MAX_BYTES:
            return blob, []
    chunks = encode_chunks(entries)
    return encode_directory(first for first, _ in chunks), chunks


def encode_chunks(entries: Entries) -> list[tuple[int, bytes]]:
    """`(first_key, bytes)` of the chunks of some entries."""
    chunks: list[tuple[int, bytes]] = []
    for start in range(0, len(entries), MAX_ENTRIES):
        _append_chunk(chunks, entries[start : start + MAX_ENTRIES])
    return chunks


def encode_directory(first_keys: Iterable[int]) -> bytes:
    """The first keys of chunks, ascending."""
    out = bytearray((_DIRECTORY,))
    before = 0
    for key in first_keys:
        _append_varints(out, (key - before,))
        before = key
    return bytes(out)


def is_directory(blob: bytes) -> bool:
    """Whether these bytes are a directory, and not entries."""
    return blob[0] == _DIRECTORY


def decode_directory(blob: bytes) -> list[int]:
    """The inverse of `encode_directory`."""
    return list(accumulate(_varints(blob, 1)))


def _append_chunk(chunks: list[tuple[int, bytes]], entries: Entries) -> None:
    blob = encode(entries)
    if len(blob) <= MAX_BYTES or len(entries) == 1:
        chunks.append((entries[0][0], blob))
        return
    middle = len(entries) // 2
    _append_chunk(chunks, entries[:middle])
    _append_chunk(chunks, entries[middle:])


def _encode_columns(first: int, least: int, gaps: list[int], values: list[int]) -> bytes:
    head = bytearray()
    _append_varints(head, (len(values), first, least))
    plain = _column(gaps) + _column(values)
    deflated = zlib.compress(plain, 1)
    if len(deflated) < len(plain):
        return bytes((_DEFLATED_COLUMNS, *head)) + deflated
    return bytes((_COLUMNS, *head)) + plain


def _decode_columns(blob: bytes) -> dict[int, int]:
    count, at = _varint(blob, 1)
    first, at = _varint(blob, at)
    least, at = _varint(blob, at)
    plain = zlib.decompress(blob[at:]) if blob[0] == _DEFLATED_COLUMNS else blob[at:]
    gaps, at = _read_column(plain, 0, count - 1)
    values, _ = _read_column(plain, at, count)
    offset = least - 1
    return dict(zip(accumulate(gaps, initial=first), [value and value + offset for value in values], strict=True))


def _column(numbers: list[int]) -> bytes:
    greatest = max(numbers)
    code = next(code for limit, code in _WIDTHS if greatest < limit)
    return code.encode() + _little_endian(array(code, numbers)).tobytes()


def _read_column(plain: bytes, at: int, count: int) -> tuple["array[int]", int]:
    column: array[int] = array(chr(plain[at]))
    end = at + 1 + count * column.itemsize
    column.frombytes(plain[at + 1 : end])
    return _little_endian(column), end


def _little_endian(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _append_varints(out: bytearray, numbers: Iterable[int]) -> None:
    for number in numbers:
        rest = number
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = blob[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _varints(blob: bytes, at: int) -> Iterator[int]:
    end = len(blob)
    while at < end:
        number, at = _varint(blob, at)
        yield number
