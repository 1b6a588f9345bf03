"""What other servers send for devices here, and tell of their users' devices.

Spec: server-server API, "Send-to-device messaging", "Device Management", "End-to-End Encryption". All of it is durable
when it is acknowledged.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

from ranvier.e2ee.to_device import MAX_TYPE_LENGTH, Messages, Received, ToDevice
from ranvier.federation.edu_device_lists import (
    DeviceUpdate,
    KeysUpdate,
    read_device_update,
    read_keys_update,
    updated,
    with_keys,
)
from ranvier.federation.edus import Contents
from ranvier.federation.remote_devices import RemoteDevices
from ranvier.federation.resync_devices import DeviceResync
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.rooms.whereabouts import Whereabouts
from ranvier.store.remote_devices import DeviceList

MAX_MESSAGE_ID: Final = 255
"""Longer than the 32 characters of the spec, which not everybody keeps to."""


class EdusOfDevices:
    """Takes them in."""

    def __init__(
        self, *, to_device: ToDevice, devices: RemoteDevices, resync: DeviceResync, whereabouts: Whereabouts
    ) -> None:
        self._to_device = to_device
        self._devices = devices
        self._resync = resync
        self._whereabouts = whereabouts
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take_messages(self, origin: str, contents: Contents) -> None:
        """`m.direct_to_device`: each message once. One transaction for all."""
        received = [one for content in contents if (one := _received(origin, content)) is not None]
        if received:
            await self._to_device.receive(origin, received)

    async def take_updates(self, origin: str, contents: Contents) -> None:
        """`m.device_list_update`. One transaction for all, and at most three statements to know whom they are about."""
        updates = [one for content in contents if (one := read_device_update(origin, content)) is not None]
        await self._apply(origin, updates)

    async def take_keys(self, origin: str, contents: Contents) -> None:
        """`m.signing_key_update`."""
        await self._apply(origin, [one for content in contents if (one := read_keys_update(origin, content))])

    async def _apply(self, origin: str, updates: Collection[DeviceUpdate | KeysUpdate]) -> None:
        near = await self._whereabouts.who_meets_us({update.user_id for update in updates}) if updates else set()
        if not near:
            return
        lock = self._locks.get(origin)
        if lock is None:
            lock = self._locks[origin] = asyncio.Lock()
        async with lock:
            known = await self._devices.of(near)
            self._devices.has_news(near)
            lists = dict(known)
            changed = {update.user_id for update in updates if update.user_id in near}
            for update in updates:
                if update.user_id in lists:
                    lists[update.user_id] = _applied(lists[update.user_id], update)
            # Of a list of which a part is missing, clients are told when the rest has come.
            stale = {user_id for user_id, of in lists.items() if of.is_stale}
            unchanged = {user_id for user_id, of in lists.items() if of is known[user_id]}
            differing = {user_id: of for user_id, of in lists.items() if user_id not in unchanged}
            await self._devices.store(differing, changed - stale - unchanged)
            self._resync.add(stale)


def _applied(known: DeviceList, update: DeviceUpdate | KeysUpdate) -> DeviceList:
    return updated(known, update) if isinstance(update, DeviceUpdate) else with_keys(known, update)


def _received(origin: str, content: Mapping[str, Any]) -> Received | None:
    sender, type, message_id = content.get("sender"), content.get("type"), content.get("message_id")
    if not isinstance(sender, str) or domain_of(sender) != origin or not is_user_id(sender):
        return None
    if not isinstance(type, str) or len(type) > MAX_TYPE_LENGTH:
        return None
    if not isinstance(message_id, str) or len(message_id) > MAX_MESSAGE_ID:
        return None
    told = content.get("messages")
    messages: Messages = {
        user_id: {device_id: message for device_id, message in by_device.items() if isinstance(message, dict)}
        for user_id, by_device in (told.items() if isinstance(told, dict) else ())
        if isinstance(by_device, dict)
    }
    return Received(sender, type, message_id, messages)
