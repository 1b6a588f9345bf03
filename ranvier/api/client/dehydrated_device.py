"""`/dehydrated_device` (MSC3814, unstable)."""

from typing import Any

import msgspec
import orjson

from ranvier.api.client.keys import MAX_UPLOAD_BYTES
from ranvier.e2ee.dehydrated import DehydratedDevices, device_data_json
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes

_PATH = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


class NewDehydratedDevice(msgspec.Struct):
    """The body of `PUT /dehydrated_device`."""

    device_id: str
    device_data: dict[str, Any]
    device_keys: dict[str, Any] | None = None
    initial_device_display_name: str | None = None
    one_time_keys: dict[str, Any] | None = None
    fallback_keys: dict[str, Any] | None = None


class DeviceId(msgspec.Struct):
    """Which device it was about."""

    device_id: str


class EventsParams(msgspec.Struct):
    """The body or the query string of `/dehydrated_device/{device_id}/events`."""

    next_batch: str | None = None


class DehydratedDeviceApi:
    """The user's dehydrated device."""

    def __init__(self, *, dehydrated: DehydratedDevices) -> None:
        self._dehydrated = dehydrated

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "PUT",
                _PATH,
                self.put,
                auth=Auth.USER,
                body=NewDehydratedDevice,
                answer=DeviceId,
                body_limit_bytes=MAX_UPLOAD_BYTES,
                spec="MSC3814",
                summary="Store a dehydrated device",
            ),
            *routes(
                "GET",
                _PATH,
                self.get,
                auth=Auth.USER,
                answer=dict[str, Any],
                spec="MSC3814",
                summary="The dehydrated device",
            ),
            *routes(
                "DELETE",
                _PATH,
                self.delete,
                auth=Auth.USER,
                answer=DeviceId,
                spec="MSC3814",
                summary="Delete the dehydrated device",
            ),
            *routes(
                "POST",
                f"{_PATH}/{{device_id}}/events",
                self.post_events,
                auth=Auth.USER,
                body=EventsParams,
                answer=dict[str, Any],
                spec="MSC3814",
                summary="Messages to the dehydrated device",
            ),
            *routes(
                "GET",
                f"{_PATH}/{{device_id}}/events",
                self.get_events,
                auth=Auth.USER,
                query=EventsParams,
                answer=dict[str, Any],
                spec="MSC3814",
                summary="Messages to the dehydrated device",
            ),
        ]

    async def put(self, request: Request) -> Response:
        """Store a dehydrated device in place of the former one."""
        body = request.json(NewDehydratedDevice)
        await self._dehydrated.put(
            request.requester.user_id,
            body.device_id,
            body.device_data,
            display_name=body.initial_device_display_name,
            device_keys=body.device_keys,
            one_time_keys=body.one_time_keys,
            fallback_keys=body.fallback_keys,
        )
        return json_response(DeviceId(body.device_id))

    async def get(self, request: Request) -> Response:
        """The dehydrated device."""
        return json_response(device_data_json(await self._dehydrated.get(request.requester.user_id)))

    async def delete(self, request: Request) -> Response:
        """Delete the dehydrated device."""
        return json_response(DeviceId(await self._dehydrated.delete(request.requester.user_id)))

    async def post_events(self, request: Request) -> Response:
        """Messages to the dehydrated device."""
        return await self._events(request, request.json(EventsParams).next_batch)

    async def get_events(self, request: Request) -> Response:
        """Messages to the dehydrated device, as newer drafts of the MSC ask for them."""
        return await self._events(request, request.query(EventsParams).next_batch)

    async def _events(self, request: Request, next_batch: str | None) -> Response:
        found = await self._dehydrated.events(request.requester.user_id, request.params["device_id"], next_batch)
        events = [orjson.Fragment(event) for event in found.events]
        return json_response({"events": events, "next_batch": found.next_batch})
