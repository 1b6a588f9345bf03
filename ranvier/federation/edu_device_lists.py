"""What other servers tell of their users' devices and keys: read, and put into what is known. Pure.

Spec: server-server API, "Device Management", `m.device_list_update`, `m.signing_key_update`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

import orjson

from ranvier.proto.ids import domain_of, is_user_id
from ranvier.proto.told_keys import told_device_keys, told_master_key, told_self_signing_key
from ranvier.store.remote_devices import GREATEST, DeviceList
from ranvier.users.text import is_storable

MAX_DEVICES: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUpdate:
    """One device of a user has changed."""

    user_id: str
    device_id: str
    stream_id: int
    prev_ids: tuple[int, ...]
    is_deleted: bool
    keys: bytes | None
    """`None` for a device without keys, or with such as make no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysUpdate:
    """The cross-signing keys of a user have changed."""

    user_id: str
    master: Any
    self_signing: Any


def read_device_update(origin: str, content: Mapping[str, Any]) -> DeviceUpdate | None:
    """An `m.device_list_update`; `None` if it is malformed, or not about a user of that server."""
    user_id, device_id, stream_id = content.get("user_id"), content.get("device_id"), content.get("stream_id")
    prev_ids = content.get("prev_id")
    prev_ids = [] if prev_ids is None else prev_ids
    if not _is_user_of(user_id, origin) or not isinstance(device_id, str) or not _is_id(stream_id):
        return None
    if not isinstance(prev_ids, list) or not all(_is_id(prev_id) for prev_id in prev_ids):
        return None
    keys = content.get("keys")
    if isinstance(keys, dict):
        keys = {**keys, "unsigned": {"device_display_name": content.get("device_display_name")}}
    return DeviceUpdate(
        user_id=user_id,
        device_id=device_id,
        stream_id=stream_id,
        prev_ids=tuple(prev_ids),
        is_deleted=content.get("deleted") is True,
        keys=told_device_keys(keys, user_id, device_id),
    )


def read_keys_update(origin: str, content: Mapping[str, Any]) -> KeysUpdate | None:
    """An `m.signing_key_update`; `None` if it is malformed, or not about a user of that server."""
    user_id = content.get("user_id")
    if not _is_user_of(user_id, origin):
        return None
    return KeysUpdate(user_id=user_id, master=content.get("master_key"), self_signing=content.get("self_signing_key"))


def updated(known: DeviceList, update: DeviceUpdate) -> DeviceList:
    """With this update; stale if an earlier one is missing. Unchanged if it is in it already."""
    if known.is_stale or 0 <= update.stream_id <= known.stream_id:
        return known
    is_complete = known.stream_id >= 0 and all(prev_id <= known.stream_id for prev_id in update.prev_ids)
    # The first of a sequence names no earlier one; then nothing can have been told before.
    if not is_complete or (not update.prev_ids and known.stream_id > 0 and known.devices):
        return replace(known, is_stale=True)
    devices = dict(known.devices)
    devices.pop(update.device_id, None)
    if not update.is_deleted and update.keys is not None:
        devices[update.device_id] = update.keys
    if len(devices) > MAX_DEVICES:
        return replace(known, is_stale=True)
    return replace(known, stream_id=update.stream_id, devices=devices)


def with_keys(known: DeviceList, update: KeysUpdate) -> DeviceList:
    """With these cross-signing keys, as far as they are what they should be."""
    master = told_master_key(update.master, update.user_id)
    if master is not None and master != known.master:
        # What the former master key has signed does not count any more.
        known = replace(known, master=master, self_signing=None)
    if known.master is not None:
        signed = told_self_signing_key(update.self_signing, update.user_id, orjson.loads(known.master))
        if signed is not None:
            known = replace(known, self_signing=signed)
    return known


def _is_user_of(user_id: object, origin: str) -> TypeGuard[str]:
    return isinstance(user_id, str) and domain_of(user_id) == origin and is_user_id(user_id) and is_storable(user_id)


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= GREATEST
