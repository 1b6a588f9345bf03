"""A number that equal states share, and different ones practically never; kept up to date change by change.

The sum of the entries' hashes, as a signed 64-bit number. What acts on equality confirms it by a difference.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

_MASK: Final = (1 << 64) - 1
_SIGN: Final = 1 << 63


def fingerprint_after(before: int, *, added: Iterable[tuple[int, int]], removed: Iterable[tuple[int, int]] = ()) -> int:
    """The fingerprint after `(key_id, event_nid)` entries came and went; entries with the event 0 do not count."""
    total = before + sum(_hash(*entry) for entry in added) - sum(_hash(*entry) for entry in removed)
    return ((total & _MASK) ^ _SIGN) - _SIGN


def _hash(key_id: int, event_nid: int) -> int:
    if event_nid == 0:
        return 0
    return int.from_bytes(blake2b(b"%d %d" % (key_id, event_nid), digest_size=8).digest(), "little")
