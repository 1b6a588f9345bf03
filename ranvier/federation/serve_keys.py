"""Devices and keys of local users, for other servers.

Spec: server-server API, "Device Management", "End-to-End Encryption". Device names are told only where the configuration
says so; what one user has signed of another is nobody else's.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from ranvier.db.engine import Database
from ranvier.e2ee.claim_keys import Claims
from ranvier.e2ee.query_keys import KeyQueries
from ranvier.e2ee.user_keys import UserKeys
from ranvier.proto.errors import not_found
from ranvier.proto.ids import domain_of
from ranvier.store import device_lists, users
from ranvier.users.text import is_storable


class KeyServing:
    """Answers for devices and keys."""

    def __init__(
        self, *, db: Database, queries: KeyQueries, claims: Claims, server_name: str, shows_device_names: bool
    ) -> None:
        self._db = db
        self._queries = queries
        self._claims = claims
        self._server_name = server_name
        self._shows_names = shows_device_names

    async def query(self, wanted: Mapping[str, Sequence[str]]) -> bytes:
        """By user the devices that are wanted, none for all: the answer's JSON. Users of other servers are left out.

        At most three statements, none for users who were asked for before.
        """
        found = await self._queries.published(wanted)
        devices = [(user_id, self._chosen(keys, wanted[user_id])) for user_id, keys in found.items()]
        masters = [(user_id, keys.master) for user_id, keys in found.items() if keys.master is not None]
        signing = [(user_id, keys.self_signing) for user_id, keys in found.items() if keys.self_signing is not None]
        return b'{"device_keys":%b,"master_keys":%b,"self_signing_keys":%b}' % (
            _object(devices),
            _object(masters),
            _object(signing),
        )

    async def claim(self, wanted: Mapping[str, Mapping[str, str]]) -> bytes:
        """By user and device the algorithm: the answer's JSON. One transaction, shared with other claims."""
        return orjson.dumps({"one_time_keys": await self._claims.claim_local(wanted)})

    async def devices(self, user_id: str) -> bytes:
        """All devices of a user that have keys: the answer's JSON. Raises 404 for who is no user of this server."""
        is_ours = domain_of(user_id) == self._server_name and is_storable(user_id)
        if not is_ours or await users.by_id(self._db, user_id) is None:
            raise not_found("There is no such user")
        # Read before the keys: a change that comes between is told of once more.
        stream_id = await device_lists.last_change(self._db, user_id)
        keys = (await self._queries.published([user_id]))[user_id]
        devices = [self._device(device_id, device) for device_id, device in keys.devices.items()]
        parts = [b'"user_id":%b,"stream_id":%d,"devices":[%b]' % (orjson.dumps(user_id), stream_id, b",".join(devices))]
        if keys.master is not None:
            parts.append(b'"master_key":' + keys.master)
        if keys.self_signing is not None:
            parts.append(b'"self_signing_key":' + keys.self_signing)
        return b"{%b}" % b",".join(parts)

    def _chosen(self, keys: UserKeys, wanted: Sequence[str]) -> bytes:
        devices = keys.devices if self._shows_names else keys.nameless_devices
        chosen = dict.fromkeys(wanted or devices)
        return _object((device_id, devices[device_id]) for device_id in chosen if device_id in devices)

    def _device(self, device_id: str, keys: bytes) -> bytes:
        """A device by itself, where the name stands beside the keys."""
        told = orjson.loads(keys)
        name = told.pop("unsigned", {}).get("device_display_name")
        device = {"device_id": device_id, "keys": told}
        if self._shows_names and name is not None:
            device["device_display_name"] = name
        return orjson.dumps(device)


def _object(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), value) for name, value in pairs)
