"""Devices and keys for other servers. Spec: server-server API, "Device Management", "End-to-End Encryption"."""

from typing import Any

import msgspec

from ranvier.federation.serve_keys import KeyServing
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, routes


class KeysQuery(msgspec.Struct):
    """By user the devices in question; none: all."""

    device_keys: dict[str, list[str]]


class KeysClaim(msgspec.Struct):
    """By user and device the algorithm."""

    one_time_keys: dict[str, dict[str, str]]


class UserKeysApi:
    """Hands out keys."""

    def __init__(self, *, keys: KeyServing) -> None:
        self._keys = keys

    def routes(self) -> list[Route]:
        """The module's routes."""
        api = "/_matrix/federation/v1/user"
        return [
            *routes(
                "GET", f"{api}/devices/{{user_id}}", self.devices, auth=Auth.FEDERATION, resource="federation",
                answer=dict[str, Any], spec="getUserDevices", summary="A user's devices",
            ),
            *routes(
                "POST", f"{api}/keys/query", self.query, auth=Auth.FEDERATION, resource="federation",
                body=KeysQuery, answer=dict[str, Any], spec="queryUserEncryptionKeys",
                summary="Devices and identity keys of users",
            ),
            *routes(
                "POST", f"{api}/keys/claim", self.claim, auth=Auth.FEDERATION, resource="federation",
                body=KeysClaim, answer=dict[str, Any], spec="claimUserEncryptionKeys",
                summary="Claim one-time keys of devices",
            ),
        ]  # fmt: skip

    async def devices(self, request: Request) -> Response:
        """A user's devices."""
        return json_bytes(await self._keys.devices(request.params["user_id"]))

    async def query(self, request: Request) -> Response:
        """Devices and identity keys of users."""
        return json_bytes(await self._keys.query(request.json(KeysQuery).device_keys))

    async def claim(self, request: Request) -> Response:
        """Claim one-time keys of devices."""
        return json_bytes(await self._keys.claim(request.json(KeysClaim).one_time_keys))
