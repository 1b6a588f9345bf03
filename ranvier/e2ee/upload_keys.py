"""Devices publish their keys. Spec: client-server API, `POST /keys/upload`."""

from collections.abc import Mapping, Sequence
from typing import Final

from ranvier.db.engine import Tx
from ranvier.e2ee.device_lists import DeviceLists, DeviceListTx
from ranvier.e2ee.key_counts import KeyCounts, shown_counts
from ranvier.e2ee.key_format import NamedKeys, UploadedKeys
from ranvier.e2ee.uploaded_names import Remembered, Upload, UploadedNames
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.store import device_keys as device_key_store
from ranvier.store import one_time_keys as store
from ranvier.store.one_time_keys import Batch, Counts, Key, Queue
from ranvier.users.requester import Requester

GIVEN_KEPT_MS: Final = 24 * 3600 * 1000
"""Keys that have been given out are known so long, at least since their upload."""
MAX_ONE_TIME_KEYS: Final = 20_000
"""Of a device, that wait to be claimed. Clients keep about a hundred."""


class KeyUpload:
    """Stores keys of devices."""

    def __init__(self, *, device_lists: DeviceLists, counts: KeyCounts, clock: Clock) -> None:
        self._device_lists = device_lists
        self._counts = counts
        self._clock = clock
        self._names = UploadedNames()

    async def upload(self, requester: Requester, keys: UploadedKeys) -> dict[str, int]:
        """Store the keys of the device that asks; how many one-time keys it has now. One transaction.

        That takes two statements for one-time keys if the device has uploaded some in the last hour, mostly at most six
        otherwise. The same keys once more change nothing. Raises 400 `M_INVALID_PARAM` and 413 `M_TOO_LARGE`; then
        nothing is stored.
        """
        user_id, device_id = requester.user_id, requester.device_id
        if device_id is None:
            raise invalid_param("Only a device can have keys")
        with self._names.uploading((user_id, device_id), self._clock.monotonic()) as upload:
            async with self._device_lists.transaction() as change:
                counts, remembered = await self._save(change, user_id, device_id, keys, upload)
            upload.committed = remembered
        if not keys.is_empty:
            self._counts.forget(user_id, device_id)
        return shown_counts(counts)

    async def save(self, change: DeviceListTx, user_id: str, device_id: str, keys: UploadedKeys) -> None:
        """For who has a transaction; after its commit the device's counts must be forgotten."""
        with self._names.uploading((user_id, device_id), self._clock.monotonic()) as upload:
            await self._save(change, user_id, device_id, keys, upload)

    async def _save(
        self, change: DeviceListTx, user_id: str, device_id: str, keys: UploadedKeys, upload: Upload
    ) -> tuple[Counts, Remembered | None]:
        """What the device has now, and what is to be remembered of it after the commit."""
        tx = change.tx
        if keys.device_keys is not None and await device_key_store.save(tx, user_id, device_id, keys.device_keys):
            await change.changed(user_id)
        fallback = [
            (user_id, device_id, algorithm, key_id, store.encode_key(key))
            for algorithm, by_id in keys.fallback.items()
            for key_id, key in by_id.items()
        ]
        if not keys.one_time:
            await store.save_fallback(tx, fallback)
            return await store.counts(tx, user_id, device_id), upload.remembered
        # Queues before fallback keys, as claims take them: who waits for one holds none of the other.
        queues, remembered = await self._save_one_time(tx, user_id, device_id, keys.one_time, upload)
        await store.save_fallback(tx, fallback)
        if remembered.key_ids.keys() <= queues.keys():
            counts = Counts({algorithm: queue.uploaded - queue.given for algorithm, queue in queues.items()})
        else:
            counts = await store.counts(tx, user_id, device_id)
        if sum(counts.one_time.values()) > MAX_ONE_TIME_KEYS:
            raise MatrixError(
                413,
                "M_TOO_LARGE",
                f"Too many one-time keys: at most {MAX_ONE_TIME_KEYS} of a device wait to be claimed",
            )
        return counts, remembered

    async def _save_one_time(
        self, tx: Tx, user_id: str, device_id: str, keys: NamedKeys, upload: Upload
    ) -> tuple[dict[str, Queue], Remembered]:
        """Two statements for each algorithm, and mostly one for a device that is not remembered.

        Raises as `_refuse_other`.
        """
        # In one order everywhere: who waits for a queue holds none that comes later.
        queues = {
            algorithm: await store.lengthen(tx, user_id, device_id, algorithm, len(keys[algorithm]))
            for algorithm in sorted(keys)
        }
        now_ms = self._clock.now_ms()
        remembered = upload.remembered
        known: Mapping[str, Mapping[str, Batch]] = {}
        if remembered is None or remembered.has_any(keys):
            batches = await store.batches(tx, user_id, device_id)
            remembered, known = _look_through(batches, keys, self._clock.monotonic())
            old = [batch for batch in batches if batch.ts < now_ms - GIVEN_KEPT_MS and _is_over(batch, queues)]
            await store.delete_batches(tx, user_id, device_id, old)
        for algorithm, uploaded in keys.items():
            new: Mapping[str, Key] = uploaded
            first_no = queues[algorithm].uploaded - len(uploaded) + 1
            if again := known.get(algorithm):
                await _refuse_other(tx, user_id, device_id, algorithm, uploaded, again)
                await store.shorten(tx, user_id, device_id, algorithm, len(again))
                queues[algorithm].uploaded -= len(again)
                new = {key_id: key for key_id, key in uploaded.items() if key_id not in again}
            await store.insert(tx, (user_id, device_id), algorithm, new, first_no=first_no, ts=now_ms)
            remembered.add(algorithm, uploaded)
        return queues, remembered


def _look_through(
    batches: Sequence[Batch], keys: NamedKeys, now: float
) -> tuple[Remembered, dict[str, dict[str, Batch]]]:
    """What a device has uploaded, and of these keys, by algorithm and id, the batches in which one has the same name."""
    remembered = Remembered(since=now)
    known: dict[str, dict[str, Batch]] = {}
    for batch, key_ids in zip(batches, store.names_of(batches), strict=True):
        remembered.add(batch.algorithm, key_ids)
        again = keys.get(batch.algorithm, {}).keys() & key_ids
        if again:
            known.setdefault(batch.algorithm, {}).update(dict.fromkeys(again, batch))
    return remembered, known


async def _refuse_other(
    tx: Tx, user_id: str, device_id: str, algorithm: str, uploaded: Mapping[str, Key], again: Mapping[str, Batch]
) -> None:
    """Raises 400 `M_INVALID_PARAM` if another key was uploaded under the name of one of those in `again`."""
    batches = {id(batch): batch for batch in again.values()}
    stored = await store.keys_of(tx, user_id, device_id, list(batches.values()))
    for key_id in again:
        if stored[algorithm, key_id] != store.encode_key(uploaded[key_id]):
            raise invalid_param(f"Another one-time key {algorithm}:{key_id} has been uploaded already")


def _is_over(batch: Batch, queues: Mapping[str, Queue]) -> bool:
    queue = queues.get(batch.algorithm)
    return queue is not None and batch.last_no <= queue.given
