"""`/_synapse/admin/v2/users/{user_id}/devices`: a user's devices. Manual: admin API, "User devices"."""

from typing import Final

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import missing_param
from ranvier.store.devices import Device
from ranvier.users.administration import Administration
from ranvier.users.devices import Devices

DEVICES: Final = "/_synapse/admin/v2/users/{user_id}/devices"
DEVICE: Final = DEVICES + "/{device_id}"


class ShownDevice(msgspec.Struct):
    """One device."""

    device_id: str
    display_name: str | None
    last_seen_ip: str | None
    last_seen_ts: int | None
    last_seen_user_agent: str | None
    user_id: str


class DeviceList(msgspec.Struct):
    """All devices."""

    devices: list[ShownDevice]
    total: int


class NewDevice(msgspec.Struct):
    """What it is to be called."""

    device_id: str | None = None
    display_name: str | None = None


class NewName(msgspec.Struct):
    """Absent: the name stays."""

    display_name: str | None = None


class SomeDevices(msgspec.Struct):
    """Which ones."""

    devices: list[str]


class UserDevicesApi:
    """Reads and changes devices of others."""

    def __init__(self, *, administration: Administration, devices: Devices) -> None:
        self._administration = administration
        self._devices = devices

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", DEVICES, self.list, auth=Auth.ADMIN, answer=DeviceList, summary="A user's devices"),
            *routes("POST", DEVICES, self.create, auth=Auth.ADMIN, body=NewDevice, answer=Nothing,
                summary="Make a device (201)"),
            *routes("POST", "/_synapse/admin/v2/users/{user_id}/delete_devices", self.delete_several, auth=Auth.ADMIN,
                body=SomeDevices, answer=Nothing, summary="Delete some of a user's devices"),
            *routes("GET", DEVICE, self.get, auth=Auth.ADMIN, answer=ShownDevice, summary="One device"),
            *routes("PUT", DEVICE, self.rename, auth=Auth.ADMIN, body=NewName, answer=Nothing,
                summary="Give a device a name"),
            *routes("DELETE", DEVICE, self.delete, auth=Auth.ADMIN, answer=Nothing, summary="Delete a device"),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """All of them."""
        user_id = await self._user(request)
        found = [_shown(user_id, device) for device in await self._devices.all_seen(user_id)]
        return json_response(DeviceList(found, len(found)))

    async def create(self, request: Request) -> Response:
        """One that exists stays as it is."""
        user_id, wanted = await self._user(request), request.json(NewDevice)
        if not wanted.device_id:
            raise missing_param("device_id is missing")
        await self._devices.create(user_id, wanted.device_id, wanted.display_name)
        return json_response({}, status=201)

    async def delete_several(self, request: Request) -> Response:
        """Those that do not exist are no error."""
        user_id, wanted = await self._user(request), request.json(SomeDevices)
        await self._devices.delete_now(user_id, wanted.devices)
        return EMPTY_OBJECT

    async def get(self, request: Request) -> Response:
        """404 if there is no such device."""
        user_id = await self._user(request)
        return json_response(_shown(user_id, await self._devices.get_seen(user_id, request.params["device_id"])))

    async def rename(self, request: Request) -> Response:
        """404 if there is no such device."""
        user_id, wanted = await self._user(request), request.json(NewName)
        await self._devices.rename(user_id, request.params["device_id"], wanted.display_name)
        return EMPTY_OBJECT

    async def delete(self, request: Request) -> Response:
        """One that does not exist is no error."""
        await self._devices.delete_now(await self._user(request), [request.params["device_id"]])
        return EMPTY_OBJECT

    async def _user(self, request: Request) -> str:
        user = await self._administration.get(request.params["user_id"])
        return user.user_id


def _shown(user_id: str, device: Device) -> ShownDevice:
    return ShownDevice(
        device_id=device.device_id,
        display_name=device.display_name,
        last_seen_ip=device.last_seen_ip,
        last_seen_ts=device.last_seen_ts,
        last_seen_user_agent=device.last_seen_user_agent,
        user_id=user_id,
    )
