"""Dehydrated devices: a device without a client, which receives keys while the user is logged in nowhere.

MSC3814 (`org.matrix.msc3814.v1`). It is a device like others, with keys and an inbox, but without a login; another
device of the user wakes it up by reading its data and its messages, which stay until it is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ranvier.db.engine import Database
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.key_counts import KeyCounts
from ranvier.e2ee.key_format import UploadedKeys, canonical, parse_keys
from ranvier.e2ee.upload_keys import KeyUpload
from ranvier.proto.errors import forbidden, invalid_param, missing_param, not_found
from ranvier.store import cross_signing, devices
from ranvier.store import dehydrated as store
from ranvier.store.dehydrated import DehydratedDevice
from ranvier.users.device_removal import DeviceRemoval, Removal
from ranvier.users.issue_login import MAX_DEVICE_ID_LENGTH, MAX_DISPLAY_NAME_LENGTH
from ranvier.users.text import storable

EVENTS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Rehydrated:
    """A batch of messages."""

    events: list[bytes]
    next_batch: str


class DehydratedDevices:
    """At most one device of each user."""

    def __init__(
        self,
        *,
        db: Database,
        removal: DeviceRemoval,
        device_lists: DeviceLists,
        inboxes: Inboxes,
        counts: KeyCounts,
        upload: KeyUpload,
    ) -> None:
        self._db = db
        self._removal = removal
        self._device_lists = device_lists
        self._inboxes = inboxes
        self._counts = counts
        self._upload = upload

    async def put(
        self,
        user_id: str,
        device_id: str,
        device_data: Mapping[str, Any],
        *,
        display_name: str | None,
        device_keys: Mapping[str, Any] | None,
        one_time_keys: Mapping[str, Any] | None,
        fallback_keys: Mapping[str, Any] | None,
    ) -> None:
        """Make this the user's dehydrated device; the former one goes with everything of its. One transaction.

        Raises 400 `M_MISSING_PARAM`, `M_INVALID_PARAM`, `M_BAD_JSON`.
        """
        storable(device_id, name="device_id", max_length=MAX_DEVICE_ID_LENGTH)
        if display_name is not None:
            storable(display_name, name="initial_device_display_name", max_length=MAX_DISPLAY_NAME_LENGTH)
        if not device_id or device_keys is None:
            raise missing_param("device_id and device_keys are required")
        keys = parse_keys(
            user_id, device_id, device_keys=device_keys, one_time_keys=one_time_keys, fallback_keys=fallback_keys
        )
        device = DehydratedDevice(device_id, canonical(device_data, "device_data"))
        async with self._removal.transaction(user_id) as removal:
            await self._replace(removal, device, display_name, keys)
        self._counts.forget(user_id, device_id)

    async def get(self, user_id: str) -> DehydratedDevice:
        """The user's dehydrated device. Raises 404 `M_NOT_FOUND`."""
        device = await store.of_user(self._db, user_id)
        if device is None:
            raise not_found("No dehydrated device available")
        return device

    async def delete(self, user_id: str) -> str:
        """Remove the user's dehydrated device; its id. Raises 404 `M_NOT_FOUND`."""
        device = await self.get(user_id)
        async with self._removal.transaction(user_id) as removal:
            await removal.remove([device.device_id])
        return device.device_id

    async def events(self, user_id: str, device_id: str, next_batch: str | None) -> Rehydrated:
        """The messages after `next_batch`; they stay. Raises 403 `M_FORBIDDEN`, 400 `M_INVALID_PARAM`."""
        device = await store.of_user(self._db, user_id)
        if device is None or device.device_id != device_id:
            raise forbidden("This is not the dehydrated device")
        since = _position(next_batch)
        upto = self._inboxes.positions.committed
        found = await self._inboxes.read(user_id, device_id, since=since, upto=upto, limit=EVENTS_AT_ONCE)
        last = found[-1].stream_pos if found else since
        return Rehydrated([waiting.message for waiting in found], f"d{last}")

    async def _replace(
        self, removal: Removal, device: DehydratedDevice, display_name: str | None, keys: UploadedKeys
    ) -> None:
        tx, user_id = removal.tx, removal.user_id
        former = await store.of_user(tx, user_id)
        if former is not None:
            await removal.remove([former.device_id])
        if await cross_signing.is_public_key(tx, user_id, device.device_id) or not await devices.insert(
            tx, user_id, device.device_id, display_name
        ):
            raise invalid_param("This device id is in use")
        await store.save(tx, user_id, device)
        change = self._device_lists.within(tx)
        removal.endings.append(change.end)
        await self._upload.save(change, user_id, device.device_id, keys)


def device_data_json(device: DehydratedDevice) -> dict[str, Any]:
    """As clients get it."""
    return {"device_id": device.device_id, "device_data": orjson.Fragment(device.device_data)}


def _position(next_batch: str | None) -> int:
    if next_batch is None:
        return 0
    number = next_batch[1:]
    if not next_batch.startswith("d") or not (number.isascii() and number.isdecimal()) or len(number) > 18:
        raise invalid_param("next_batch: not a token of this server")
    return int(number)
