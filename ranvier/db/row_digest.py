"""A checksum of rows in whatever order, the same for the same values in every database. Pure."""

from hashlib import blake2b
from typing import Final

from msgspec import msgpack

from ranvier.db.engine import Row

_BYTES: Final = 16
_MASK: Final = (1 << 8 * _BYTES) - 1
_encode: Final = msgpack.Encoder().encode


class RowDigest:
    """The sum of the rows' hashes, and how many there were."""

    __slots__ = ("_sum", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Row) -> int:
        """One more row, of whole numbers, text, bytes and None; about how many bytes it holds."""
        packed = _encode(row)
        self._sum = (self._sum + int.from_bytes(blake2b(packed, digest_size=_BYTES).digest())) & _MASK
        self.rows += 1
        return len(packed)

    def hex(self) -> str:
        """The checksum."""
        return f"{self._sum:0{2 * _BYTES}x}"
