"""`/keys/...`: devices publish, find and claim keys. Spec: client-server API, "Key management API"."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.e2ee.claim_keys import Claims
from ranvier.e2ee.key_format import UploadedKeys, parse_keys, parse_plain
from ranvier.e2ee.query_keys import KeyQueries
from ranvier.e2ee.upload_keys import KeyUpload
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.sync.device_list_stream import DeviceListStream
from ranvier.sync.token import parse_sync_token
from ranvier.users.requester import Requester

MAX_UPLOAD_BYTES = 4 << 20
"""Enough for ten thousand one-time keys."""
LONGEST_WAIT_MS = 60_000
"""The longest that a client can have us wait for other servers."""


class KeysUpload(msgspec.Struct):
    """The body of `POST /keys/upload`."""

    device_keys: dict[str, Any] | None = None
    one_time_keys: dict[str, Any] | None = None
    fallback_keys: dict[str, Any] | None = None
    unstable_fallback_keys: dict[str, Any] | None = msgspec.field(default=None, name="org.matrix.msc2732.fallback_keys")


class KeysUploaded(msgspec.Struct):
    """How many one-time keys the device has, by algorithm."""

    one_time_key_counts: dict[str, int]


class KeysQuery(msgspec.Struct):
    """The body of `POST /keys/query`."""

    device_keys: dict[str, list[str]]
    timeout: int = 10_000


class KeysClaim(msgspec.Struct):
    """The body of `POST /keys/claim`."""

    one_time_keys: dict[str, dict[str, str]]
    timeout: int = 10_000


class KeysQueried(msgspec.Struct):
    """Devices and identity keys, by user; `failures` by server."""

    device_keys: dict[str, dict[str, dict[str, Any]]]
    failures: dict[str, dict[str, Any]] | UnsetType = UNSET
    master_keys: dict[str, dict[str, Any]] | UnsetType = UNSET
    self_signing_keys: dict[str, dict[str, Any]] | UnsetType = UNSET
    user_signing_keys: dict[str, dict[str, Any]] | UnsetType = UNSET


class KeysClaimed(msgspec.Struct):
    """A key for each device that had one left; `failures` by server."""

    one_time_keys: dict[str, dict[str, dict[str, Any]]]
    failures: dict[str, dict[str, Any]] | UnsetType = UNSET


class KeyChangesParams(msgspec.Struct, rename={"from_": "from"}):
    """The query string of `GET /keys/changes`."""

    from_: str
    to: str


class KeyChanges(msgspec.Struct):
    """Users whose devices are to be asked for again, and users who are of no interest any more."""

    changed: list[str]
    left: list[str]


class KeysApi:
    """Keys of devices."""

    def __init__(
        self, *, upload: KeyUpload, queries: KeyQueries, claims: Claims, device_lists: DeviceListStream
    ) -> None:
        self._upload = upload
        self._queries = queries
        self._claims = claims
        self._device_lists = device_lists

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "POST",
                paths("/keys/upload"),
                self.upload,
                auth=Auth.USER,
                guest=True,
                body=KeysUpload,
                answer=KeysUploaded,
                body_limit_bytes=MAX_UPLOAD_BYTES,
                spec="uploadKeys",
                summary="Publish keys of this device",
            ),
            *routes(
                "POST",
                paths("/keys/query"),
                self.query,
                auth=Auth.USER,
                guest=True,
                body=KeysQuery,
                answer=KeysQueried,
                spec="queryKeys",
                summary="Devices and identity keys of users",
            ),
            *routes(
                "POST",
                paths("/keys/claim"),
                self.claim,
                auth=Auth.USER,
                guest=True,
                body=KeysClaim,
                answer=KeysClaimed,
                spec="claimKeys",
                summary="Claim one-time keys of devices",
            ),
            *routes(
                "GET",
                paths("/keys/changes"),
                self.changes,
                auth=Auth.USER,
                query=KeyChangesParams,
                answer=KeyChanges,
                spec="getKeysChanges",
                summary="Users whose devices have changed between two sync tokens",
            ),
        ]

    async def upload(self, request: Request) -> Response:
        """Publish keys of this device."""
        keys = parse_plain(request.content)
        if keys is None:
            keys = _uploaded(request.requester, request.json(KeysUpload))
        return json_response(KeysUploaded(await self._upload.upload(request.requester, keys)))

    async def query(self, request: Request) -> Response:
        """Devices and identity keys of users."""
        body = request.json(KeysQuery)
        timeout_ms = _timeout_ms(body.timeout)
        return json_bytes(await self._queries.query(request.requester.user_id, body.device_keys, timeout_ms=timeout_ms))

    async def claim(self, request: Request) -> Response:
        """Claim one-time keys of devices."""
        body = request.json(KeysClaim)
        return json_bytes(await self._claims.claim(body.one_time_keys, timeout_ms=_timeout_ms(body.timeout)))

    async def changes(self, request: Request) -> Response:
        """Users whose devices have changed between two sync tokens."""
        params = request.query(KeyChangesParams)
        since, upto = parse_sync_token(params.from_), parse_sync_token(params.to)
        return json_bytes((await self._device_lists.of_user(request.requester.user_id, since, upto)).json)


def _uploaded(requester: Requester, body: KeysUpload) -> UploadedKeys:
    return parse_keys(
        requester.user_id,
        requester.device_id or "",
        device_keys=body.device_keys,
        one_time_keys=body.one_time_keys,
        fallback_keys=body.fallback_keys or body.unstable_fallback_keys,
    )


def _timeout_ms(wanted: int) -> int:
    return min(max(wanted, 0), LONGEST_WAIT_MS)
