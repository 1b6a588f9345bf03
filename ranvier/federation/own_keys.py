"""The keys of this server: what it signs with, and what it publishes.

Spec: server-server API, "Publishing Keys".
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ranvier.ports import Clock
from ranvier.proto.canonical_json import encode_checked
from ranvier.proto.key_documents import OldKey, write_key_document
from ranvier.proto.signing import SigningKey

_NEVER: Final = 2**63 - 1
_OLDEST_MS: Final = 3_600_000


class OwnKeys:
    """Knows what may have signed for this server, and publishes it."""

    def __init__(
        self,
        *,
        server_name: str,
        signing_keys: Sequence[SigningKey],
        old_keys: Mapping[str, OldKey],
        refresh_interval_ms: int,
        clock: Clock,
    ) -> None:
        """`refresh_interval_ms` is for how long others may keep the list (`key_refresh_interval`)."""
        self.server_name = server_name
        self._signing_keys = tuple(signing_keys)
        self._old_keys = MappingProxyType({**old_keys})
        self._interval_ms = refresh_interval_ms
        self._clock = clock
        self._written_ts = 0
        self._document = b""
        self._valid: Mapping[str, tuple[bytes, int]] = {
            **{key_id: (key.public_key, key.expired_ts) for key_id, key in old_keys.items()},
            **{key.key_id: (key.public_key, _NEVER) for key in signing_keys},
        }

    def valid(self, key_ids: Collection[str], at_ms: int | None) -> dict[str, bytes]:
        """Public keys by id, of those that may have signed at this time; `None`: at any."""
        found = {}
        for key_id in key_ids:
            public_key, until_ts = self._valid.get(key_id, (b"", -1))
            if until_ts >= (0 if at_ms is None else at_ms):
                found[key_id] = public_key
        return found

    def document(self) -> bytes:
        """The list as it is published, signed with every key. Written anew long before it ends."""
        now_ms = self._clock.now_ms()
        if not 0 <= now_ms - self._written_ts <= min(self._interval_ms // 24, _OLDEST_MS) or not self._document:
            document = write_key_document(
                server_name=self.server_name,
                keys=self._signing_keys,
                old_keys=self._old_keys,
                valid_until_ts=now_ms + self._interval_ms,
            )
            self._document = encode_checked(document)
            self._written_ts = now_ms
        return self._document
