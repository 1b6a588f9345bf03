"""What has changed of the devices and cross-signing keys of a local user since other servers were last told. Pure.

Spec: server-server API, "Device Management": each `m.device_list_update` is about one device, has a number of its own, and
names the one before.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from ranvier.e2ee.user_keys import UserKeys
from ranvier.federation.transaction import edu_body
from ranvier.store.announced_devices import CROSS_SIGNING, Announced

Change = tuple[str, bytes | None]
"""`(device_id, digest)`; `None` for a device that is gone."""


def changed_devices(keys: UserKeys, told: Mapping[str, Announced], *, shows_names: bool) -> list[Change]:
    """The devices that differ from what was told, with digests; `None` for those that are gone."""
    devices = keys.devices if shows_names else keys.nameless_devices
    now = {device_id: _digest(device) for device_id, device in devices.items()}
    if keys.master is not None:
        now[CROSS_SIGNING] = _digest(keys.master + (keys.self_signing or b""))
    changed: list[Change] = [
        (device_id, digest)
        for device_id, digest in now.items()
        if device_id not in told or told[device_id].digest != digest
    ]
    gone = [one.device_id for one in told.values() if one.digest is not None and one.device_id not in now]
    return changed + [(device_id, None) for device_id in gone]


def last_update(told: Iterable[Announced], *, upto: int | None = None) -> int:
    """The number of the last `m.device_list_update`, or of the last up to a position; 0 if there was none."""
    return max(
        (one.stream_pos for one in told if one.device_id and (upto is None or one.stream_pos <= upto)), default=0
    )


def device_edus(
    user_id: str, keys: UserKeys, told: Iterable[Announced], *, since: int, shows_names: bool
) -> list[tuple[int, bytes]]:
    """`(number, EDU)` of what came after the update `since`, each naming the one before it."""
    devices = keys.devices if shows_names else keys.nameless_devices
    found = []
    before = since
    for one in sorted(told, key=lambda one: (one.stream_pos, one.device_id)):
        if one.stream_pos <= since:
            continue
        if one.device_id == CROSS_SIGNING:
            if keys.master is not None:
                found.append((one.stream_pos, _signing_key_update(user_id, keys)))
            continue
        content: dict[str, Any] = {"user_id": user_id, "device_id": one.device_id, "stream_id": one.stream_pos}
        content["prev_id"] = [before] if before else []
        content.update(_device(devices.get(one.device_id)))
        found.append((one.stream_pos, edu_body("m.device_list_update", content)))
        before = one.stream_pos
    return found


def _device(keys: bytes | None) -> dict[str, Any]:
    if keys is None:
        return {"deleted": True}
    told = orjson.loads(keys)
    name = told.pop("unsigned", {}).get("device_display_name")
    return {"keys": told} if name is None else {"keys": told, "device_display_name": name}


def _signing_key_update(user_id: str, keys: UserKeys) -> bytes:
    content: dict[str, Any] = {"user_id": user_id, "master_key": orjson.loads(keys.master or b"{}")}
    if keys.self_signing is not None:
        content["self_signing_key"] = orjson.loads(keys.self_signing)
    return edu_body("m.signing_key_update", content)


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).digest()


def numbered(changed: Sequence[Change], positions: Sequence[int], cross_signing_pos: int) -> list[Announced]:
    """What changed with the numbers of the updates; the cross-signing keys have none of their own."""
    remaining = iter(positions)
    return [
        Announced(device_id, cross_signing_pos if device_id == CROSS_SIGNING else next(remaining), digest)
        for device_id, digest in changed
    ]
