"""What each device has left of one-time and fallback keys, as every answer of `/sync` tells it.

Spec: client-server API, "Extensions to /sync" of the end-to-end encryption module.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from ranvier.db.engine import Database
from ranvier.store import one_time_keys as store
from ranvier.store.one_time_keys import Counts

DEVICES: Final = 50_000
_ALWAYS: Final = "signed_curve25519"
"""Told even when there is none: clients look for it."""


class KeyCounts:
    """Counts in memory, forgotten when they change."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._parts: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._changes = 0

    async def part(self, user_id: str, device_id: str | None) -> bytes:
        """The members of a sync answer's JSON object. One statement the first time, then none."""
        if device_id is None:
            return _part(Counts())
        part = self._parts.get((user_id, device_id))
        if part is None:
            changes = self._changes
            part = _part(await store.counts(self._db, user_id, device_id))
            if changes == self._changes:
                self._parts[user_id, device_id] = part
                if len(self._parts) > DEVICES:
                    self._parts.popitem(last=False)
        return part

    def forget(self, user_id: str, device_id: str) -> None:
        """The keys of a device have changed."""
        self._changes += 1
        self._parts.pop((user_id, device_id), None)


def shown_counts(counts: Counts) -> dict[str, int]:
    """The numbers of one-time keys as clients are told them."""
    return {_ALWAYS: 0, **counts.one_time}


def _part(counts: Counts) -> bytes:
    return b'"device_one_time_keys_count":%b,"device_unused_fallback_key_types":%b' % (
        msgspec.json.encode(shown_counts(counts)),
        msgspec.json.encode(sorted(counts.unused_fallback)),
    )
