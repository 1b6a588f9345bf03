"""Devices publish their keys. Spec: client-server API, `POST /keys/upload`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.db.engine import Tx
from ranvier.e2ee.device_lists import DeviceLists, DeviceListTx
from ranvier.e2ee.key_counts import KeyCounts, shown_counts
from ranvier.e2ee.key_format import NamedKey, UploadedKeys, parse_keys
from ranvier.ports import Clock
from ranvier.proto.errors import invalid_param
from ranvier.store import device_keys as device_key_store
from ranvier.store import one_time_keys as store
from ranvier.store.one_time_keys import Batch, Counts, Queue
from ranvier.users.requester import Requester

GIVEN_KEPT_MS: Final = 24 * 3600 * 1000
"""Keys that have been given out are known so long, at least since their upload."""


class KeyUpload:
    """Stores keys of devices."""

    def __init__(self, *, device_lists: DeviceLists, counts: KeyCounts, clock: Clock) -> None:
        self._device_lists = device_lists
        self._counts = counts
        self._clock = clock

    async def upload(
        self,
        requester: Requester,
        *,
        device_keys: Mapping[str, Any] | None,
        one_time_keys: Mapping[str, Any] | None,
        fallback_keys: Mapping[str, Any] | None,
    ) -> dict[str, int]:
        """Store the keys; how many one-time keys the device has now. One transaction, mostly at most six statements.

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
            await self._save_one_time(tx, user_id, device_id, keys.one_time)
        await store.save_fallback(
            tx, [(user_id, device_id, key.algorithm, key.key_id, key.key) for key in keys.fallback]
        )
        return await store.counts(tx, user_id, device_id)

    async def _save_one_time(self, tx: Tx, user_id: str, device_id: str, keys: list[NamedKey]) -> None:
        """Two statements and two for each algorithm, mostly. Raises as `_refuse_other`."""
        by_algorithm: dict[str, list[NamedKey]] = {}
        for key in keys:
            by_algorithm.setdefault(key.algorithm, []).append(key)
        # In one order everywhere: who waits for a queue holds none that comes later.
        queues = {
            algorithm: await store.lengthen(tx, user_id, device_id, algorithm, len(by_algorithm[algorithm]))
            for algorithm in sorted(by_algorithm)
        }
        batches = await store.batches(tx, user_id, device_id)
        known = _known(batches, {key.key_id for key in keys})
        now_ms = self._clock.now_ms()
        for algorithm, uploaded in by_algorithm.items():
            again = [key for key in uploaded if (algorithm, key.key_id) in known] if known else ()
            new = [(key.key_id, key.key) for key in uploaded if not known or (algorithm, key.key_id) not in known]
            if again:
                await _refuse_other(tx, user_id, device_id, again, known)
                await store.shorten(tx, user_id, device_id, algorithm, len(again))
            first_no = queues[algorithm].uploaded - len(uploaded) + 1
            await store.insert(tx, (user_id, device_id), algorithm, new, first_no=first_no, ts=now_ms)
        old = [batch for batch in batches if batch.ts < now_ms - GIVEN_KEPT_MS and _is_over(batch, queues)]
        await store.delete_batches(tx, user_id, device_id, old)


def _known(batches: Sequence[Batch], names: set[str]) -> dict[tuple[str, str], Batch]:
    """The batches in which something is under one of these names, by algorithm and name; mostly nothing is."""
    return {
        (batch.algorithm, name): batch
        for batch, in_batch in zip(batches, store.names_of(batches), strict=True)
        if not names.isdisjoint(in_batch)
        for name in names.intersection(in_batch)
    }


async def _refuse_other(
    tx: Tx, user_id: str, device_id: str, again: Sequence[NamedKey], known: Mapping[tuple[str, str], Batch]
) -> None:
    """Raises 400 `M_INVALID_PARAM` if another key was uploaded under the name of one of these."""
    batches = {id(batch): batch for batch in (known[key.algorithm, key.key_id] for key in again)}
    stored = await store.keys_of(tx, user_id, device_id, list(batches.values()))
    for key in again:
        if stored[key.algorithm, key.key_id] != key.key:
            raise invalid_param(f"Another one-time key {key.algorithm}:{key.key_id} has been uploaded already")


def _is_over(batch: Batch, queues: Mapping[str, Queue]) -> bool:
    queue = queues.get(batch.algorithm)
    return queue is not None and batch.last_no <= queue.given
