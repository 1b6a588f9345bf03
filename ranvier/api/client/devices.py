"""`/devices`, `/delete_devices`. Spec: client-server API, "Device Management"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.devices import DeviceInfo, Devices


class DeviceList(msgspec.Struct):
    """Every device of the user."""

    devices: list[DeviceInfo]


class DeviceName(msgspec.Struct):
    """The body of `PUT /devices/{deviceId}`."""

    display_name: str | None = None


class Authenticated(msgspec.Struct):
    """A body that holds nothing but the proof of who asks."""

    auth: dict[str, Any] | None = None


class DeviceIds(msgspec.Struct):
    """The body of `POST /delete_devices`."""

    devices: list[str]
    auth: dict[str, Any] | None = None


class DevicesApi:
    """The user's own devices."""

    def __init__(self, *, devices: Devices) -> None:
        self._devices = devices

    def routes(self) -> list[Route]:
        """The module's routes."""
        one = paths("/devices/{device_id}")
        return [
            *routes(
                "GET",
                paths("/devices"),
                self.all,
                auth=Auth.USER,
                guest=True,
                answer=DeviceList,
                spec="getDevices",
                summary="The user's devices",
            ),
            *routes(
                "GET",
                one,
                self.get,
                auth=Auth.USER,
                guest=True,
                answer=DeviceInfo,
                spec="getDevice",
                summary="One of the user's devices",
            ),
            *routes(
                "PUT",
                one,
                self.rename,
                auth=Auth.USER,
                guest=True,
                body=DeviceName,
                answer=Nothing,
                spec="updateDevice",
                summary="Give a device a name",
            ),
            *routes(
                "DELETE",
                one,
                self.delete,
                auth=Auth.USER,
                body=Authenticated,
                answer=Nothing,
                spec="deleteDevice",
                summary="Delete a device",
            ),
            *routes(
                "POST",
                paths("/delete_devices"),
                self.delete_several,
                auth=Auth.USER,
                body=DeviceIds,
                answer=Nothing,
                spec="deleteDevices",
                summary="Delete several devices",
            ),
        ]

    async def all(self, request: Request) -> Response:
        """The user's devices."""
        return json_response(DeviceList(await self._devices.all(request.requester.user_id)))

    async def get(self, request: Request) -> Response:
        """One of the user's devices."""
        return json_response(await self._devices.get(request.requester.user_id, request.params["device_id"]))

    async def rename(self, request: Request) -> Response:
        """Give a device a name."""
        name = request.json(DeviceName).display_name
        await self._devices.rename(request.requester.user_id, request.params["device_id"], name)
        return EMPTY_OBJECT

    async def delete(self, request: Request) -> Response:
        """Delete a device, once the user has proved who they are."""
        device_id = request.params["device_id"]
        auth = request.json(Authenticated).auth
        await self._devices.delete(request.requester, [device_id], auth, operation=f"DELETE /devices/{device_id}")
        return EMPTY_OBJECT

    async def delete_several(self, request: Request) -> Response:
        """Delete devices, once the user has proved who they are."""
        wanted = request.json(DeviceIds)
        await self._devices.delete(request.requester, wanted.devices, wanted.auth, operation="POST /delete_devices")
        return EMPTY_OBJECT
