"""Devices publish their keys. Spec: client-server API, `POST /keys/upload`."""

from collections.abc import Mapping
from typing import Any

from ranvier.db.engine import Tx
from ranvier.e2ee.device_lists import DeviceLists, DeviceListTx
from ranvier.e2ee.key_counts import KeyCounts, shown_counts
from ranvier.e2ee.key_format import NamedKey, UploadedKeys, parse_keys
from ranvier.ports import Clock
from ranvier.proto.errors import invalid_param
from ranvier.store import device_keys as device_key_store
from ranvier.store import one_time_keys as store
from ranvier.store.one_time_keys import Counts
from ranvier.users.requester import Requester


class KeyUpload:
    """Stores keys of devices."""

    def __init__(self, *, device_lists: DeviceLists, counts: KeyCounts, clock: Clock) -> None:
        self._device_lists = device_lists
        self._counts = counts
        self._clock = clock
        self._last_seq = 0

    async def upload(
        self,
        requester: Requester,
        *,
        device_keys: Mapping[str, Any] | None,
        one_time_keys: Mapping[str, Any] | None,
        fallback_keys: Mapping[str, Any] | None,
    ) -> dict[str, int]:
        """Store the keys; how many one-time keys the device has now. One transaction, at most six statements.

        The same keys once more change nothing. Raises 400 `M_BAD_JSON` and `M_INVALID_PARAM`; then nothing is stored.
        """
        user_id, device_id = requester.user_id, requester.device_id
        if device_id is None:
            raise invalid_param("Only a device can have keys")
        keys = parse_keys(
            user_id,
            device_id,
            device_keys=device_keys,
            one_time_keys=one_time_keys,
            fallback_keys=fallback_keys,
        )
        async with self._device_lists.transaction() as change:
            counts = await self.save(change, user_id, device_id, keys)
        if not keys.is_empty:
            self._counts.forget(user_id, device_id)
        return shown_counts(counts)

    async def save(self, change: DeviceListTx, user_id: str, device_id: str, keys: UploadedKeys) -> Counts:
        """For who has a transaction; after its commit the device's counts must be forgotten."""
        tx = change.tx
        if keys.device_keys is not None and await device_key_store.save(tx, user_id, device_id, keys.device_keys):
            await change.changed(user_id)
        if keys.one_time:
            new = await self._new_keys(tx, user_id, device_id, keys.one_time)
            await store.insert(
                tx, [(user_id, device_id, key.algorithm, self._next_seq(), key.key_id, key.key) for key in new]
            )
        await store.save_fallback(
            tx, [(user_id, device_id, key.algorithm, key.key_id, key.key) for key in keys.fallback]
        )
        return await store.counts(tx, user_id, device_id)

    async def _new_keys(self, tx: Tx, user_id: str, device_id: str, keys: list[NamedKey]) -> list[NamedKey]:
        """Those that were never uploaded. Raises 400 `M_INVALID_PARAM` if another key was uploaded under such a name."""
        known = await store.known(tx, user_id, device_id, [key.key_id for key in keys])
        for key in keys:
            if known.get((key.algorithm, key.key_id), key.key) != key.key:
                raise invalid_param(f"Another one-time key {key.algorithm}:{key.key_id} has been uploaded already")
        return [key for key in keys if (key.algorithm, key.key_id) not in known]

    def _next_seq(self) -> int:
        """Grows with every key, over restarts too."""
        self._last_seq = max(self._last_seq + 1, self._clock.now_ms() << 10)
        return self._last_seq
