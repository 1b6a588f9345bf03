"""Asks other servers for their users' devices and keys.

Spec: server-server API, "End-to-End Encryption", "Device Management". Of an answer counts what was asked for and is of
users of the server that gave it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ranvier.e2ee.remote_keys import QueriedKeys, RemoteClaims
from ranvier.federation.ask_each_server import ask_servers
from ranvier.federation.client import FederationClient, Unreachable
from ranvier.federation.paths import path
from ranvier.proto.ids import domain_of, is_server_name
from ranvier.proto.told_keys import (
    told_device_keys,
    told_master_key,
    told_one_time_key,
    told_self_signing_key,
)

ANSWER_BYTES: Final = 20 << 20
MANY: Final = 50
"""So many devices are checked in a thread: a signature takes 50 us, and lets others run meanwhile."""
TIMEOUT_S: Final = 30.0

T = TypeVar("T")

DevicesWanted = Mapping[str, Sequence[str]]
KeysWanted = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ToldDevices:
    """All devices of one user."""

    user_id: str
    stream_id: int
    devices: Mapping[str, bytes]
    """`DeviceKeys` by device, as JSON, with the device's name in `unsigned`."""
    master: bytes | None
    self_signing: bytes | None


class KeyAsking:
    """Asks; a `RemoteKeys`."""

    def __init__(self, *, client: FederationClient) -> None:
        self._client = client

    async def query(self, wanted: DevicesWanted, *, timeout_ms: int) -> QueriedKeys:
        """Keys of users of other servers."""
        by_server = _by_server(wanted)
        answers, failures = await ask_servers(by_server, self._query, timeout_s=timeout_ms / 1000)
        found = QueriedKeys(failures=failures)
        for told in answers.values():
            found.devices |= told.devices
            found.masters |= told.masters
            found.self_signing |= told.self_signing
        return found

    async def claim(self, wanted: KeysWanted, *, timeout_ms: int) -> RemoteClaims:
        """One-time keys of devices of other servers."""
        answers, failures = await ask_servers(_by_server(wanted), self._claim, timeout_s=timeout_ms / 1000)
        return RemoteClaims(
            {user_id: devices for told in answers.values() for user_id, devices in told.items()}, failures
        )

    async def devices(self, user_id: str) -> ToldDevices:
        """All devices of a user, anew. Raises `RemoteError` or `Unreachable`, also for an answer that makes no sense."""
        server = domain_of(user_id)
        answer = await self._client.get(
            server, path("v1", "user", "devices", user_id), timeout_s=TIMEOUT_S, limit_bytes=ANSWER_BYTES
        )
        listed, stream_id = _member(answer, "devices"), _member(answer, "stream_id")
        if _member(answer, "user_id") != user_id or not isinstance(listed, list) or type(stream_id) is not int:
            raise Unreachable(f"{server} answers with what is no list of devices")
        return await _checked(len(listed), lambda: _told_devices(answer, user_id, stream_id))

    async def _query(self, server: str, wanted: DevicesWanted) -> QueriedKeys:
        answer = await self._client.post(
            server,
            path("v1", "user", "keys", "query"),
            content={"device_keys": {user_id: list(devices) for user_id, devices in wanted.items()}},
            limit_bytes=ANSWER_BYTES,
            waited_for=True,
        )
        told = _member(answer, "device_keys")
        number = sum(len(devices) for devices in _object(told).values() if isinstance(devices, dict))
        return await _checked(number, lambda: _told_keys(answer, wanted))

    async def _claim(self, server: str, wanted: KeysWanted) -> dict[str, dict[str, dict[str, bytes]]]:
        answer = await self._client.post(
            server,
            path("v1", "user", "keys", "claim"),
            content={"one_time_keys": {user_id: dict(devices) for user_id, devices in wanted.items()}},
            limit_bytes=ANSWER_BYTES,
        )
        told = _object(_member(answer, "one_time_keys"))
        found: dict[str, dict[str, dict[str, bytes]]] = {}
        for user_id, devices in wanted.items():
            for device_id, algorithm in devices.items():
                for name, value in _object(_member(told.get(user_id), device_id)).items():
                    key = told_one_time_key(name, value, algorithm)
                    if key is not None:
                        found.setdefault(user_id, {})[device_id] = {name: key}
                        break
        return found


def _told_keys(answer: object, wanted: DevicesWanted) -> QueriedKeys:
    found = QueriedKeys()
    device_keys = _object(_member(answer, "device_keys"))
    masters, signing = _object(_member(answer, "master_keys")), _object(_member(answer, "self_signing_keys"))
    for user_id, device_ids in wanted.items():
        told = _object(device_keys.get(user_id))
        checked = {
            device_id: keys
            for device_id, value in told.items()
            if (not device_ids or device_id in device_ids)
            and (keys := told_device_keys(value, user_id, device_id)) is not None
        }
        if user_id in device_keys:
            found.devices[user_id] = checked
        master = told_master_key(masters.get(user_id), user_id)
        if master is not None:
            found.masters[user_id] = master
        self_signing = told_self_signing_key(signing.get(user_id), user_id, masters.get(user_id))
        if self_signing is not None:
            found.self_signing[user_id] = self_signing
    return found


def _told_devices(answer: Mapping[str, Any], user_id: str, stream_id: int) -> ToldDevices:
    devices: dict[str, bytes] = {}
    for entry in answer["devices"]:
        device_id, keys = _member(entry, "device_id"), _member(entry, "keys")
        if isinstance(device_id, str) and isinstance(keys, dict):
            named = {**keys, "unsigned": {"device_display_name": entry.get("device_display_name")}}
            checked = told_device_keys(named, user_id, device_id)
            if checked is not None:
                devices[device_id] = checked
    master = answer.get("master_key")
    return ToldDevices(
        user_id,
        stream_id,
        devices,
        told_master_key(master, user_id),
        told_self_signing_key(answer.get("self_signing_key"), user_id, master),
    )


async def _checked(number: int, check: Callable[[], T]) -> T:
    """What `check` finds; in a thread if there is much to check."""
    return check() if number < MANY else await asyncio.to_thread(check)


def _by_server(wanted: Mapping[str, T]) -> dict[str, dict[str, T]]:
    by_server: dict[str, dict[str, T]] = {}
    for user_id, what in wanted.items():
        if is_server_name(domain_of(user_id)):
            by_server.setdefault(domain_of(user_id), {})[user_id] = what
    return by_server


def _member(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
