"""The devices of a user. Spec: client-server API, "Device Management"."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, not_found
from ranvier.store import devices as store
from ranvier.store.devices import Device
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.issue_login import MAX_DEVICE_ID_LENGTH, MAX_DISPLAY_NAME_LENGTH
from ranvier.users.last_seen import LastSeen
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable, storable


class DeviceInfo(msgspec.Struct, omit_defaults=True):
    """A device as its owner sees it."""

    device_id: str
    display_name: str | None = None
    last_seen_ip: str | None = None
    last_seen_ts: int | None = None


class Devices:
    """Lists, renames and deletes devices."""

    def __init__(
        self, *, db: Database, last_seen: LastSeen, removal: DeviceRemoval, reauthentication: Reauthentication
    ) -> None:
        self._db = db
        self._last_seen = last_seen
        self._removal = removal
        self._reauthentication = reauthentication
        self.on_renamed: list[Callable[[str, str], Awaitable[None]]] = []
        """Told after the commit: `(user_id, device_id)`."""

    async def all(self, user_id: str) -> list[DeviceInfo]:
        """Every device of a user. One statement."""
        return [_info(device) for device in await self.all_seen(user_id)]

    async def get(self, user_id: str, device_id: str) -> DeviceInfo:
        """One device. Raises 404 `M_NOT_FOUND`."""
        return _info(await self.get_seen(user_id, device_id))

    async def all_seen(self, user_id: str) -> list[Device]:
        """Every device of a user, with all that is known about when it was last seen. One statement."""
        return [self._newest(user_id, device) for device in await store.of_user(self._db, user_id)]

    async def get_seen(self, user_id: str, device_id: str) -> Device:
        """One device, as `all_seen`. Raises 404 `M_NOT_FOUND`."""
        device = await store.one(self._db, user_id, device_id) if is_storable(device_id) else None
        if device is None:
            raise _unknown()
        return self._newest(user_id, device)

    async def rename(self, user_id: str, device_id: str, display_name: str | None) -> None:
        """Give a device a name; `None` changes nothing. Raises 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM`."""
        if display_name is None:
            await self.get(user_id, device_id)
            return
        storable(display_name, name="display_name", max_length=MAX_DISPLAY_NAME_LENGTH)
        if not is_storable(device_id):
            raise _unknown()
        async with self._db.write() as tx:
            if not await store.rename(tx, user_id, device_id, display_name):
                raise _unknown()
        for listener in self.on_renamed:
            await listener(user_id, device_id)

    async def delete(
        self, requester: Requester, device_ids: Sequence[str], auth: Mapping[str, Any] | None, *, operation: str
    ) -> None:
        """Delete devices of one's own; those that do not exist are no error.

        Raises 401 `InteractiveAuthRequired`. `operation` names the request, for instance `DELETE /devices/ABC`.
        """
        _check_ids(device_ids)
        session = await self._reauthentication.require(requester, auth, operation=operation, lately_is_enough=True)
        await self.delete_now(requester.user_id, device_ids)
        self._reauthentication.end(session)

    async def delete_now(self, user_id: str, device_ids: Sequence[str]) -> None:
        """Delete devices without asking (for administrators). One transaction. Raises 400 `M_INVALID_PARAM`."""
        _check_ids(device_ids)
        unique = list(dict.fromkeys(device_ids))
        async with self._removal.transaction(user_id) as removal:
            await removal.remove(unique)

    async def create(self, user_id: str, device_id: str, display_name: str | None) -> None:
        """Make a device without a login, which one that exists stays as it is. Raises 400 `M_INVALID_PARAM`."""
        _check_ids([device_id])
        if display_name is not None:
            storable(display_name, name="display_name", max_length=MAX_DISPLAY_NAME_LENGTH)
        async with self._db.write() as tx:
            await store.insert(tx, user_id, device_id, display_name)

    def _newest(self, user_id: str, device: Device) -> Device:
        seen = self._last_seen.of(user_id, device.device_id)
        if seen is None:
            return device
        return Device(device.device_id, device.display_name, seen.ts, seen.ip, seen.user_agent)


def _info(device: Device) -> DeviceInfo:
    return DeviceInfo(device.device_id, device.display_name, device.last_seen_ip, device.last_seen_ts)


def _check_ids(device_ids: Sequence[str]) -> None:
    for device_id in device_ids:
        storable(device_id, name="A device id", max_length=MAX_DEVICE_ID_LENGTH)


def _unknown() -> MatrixError:
    return not_found("No such device")
