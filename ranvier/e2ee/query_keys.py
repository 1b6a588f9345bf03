"""Who has which devices and keys. Spec: client-server API, `POST /keys/query`, "Key and signature security".

What everybody may see of a user is kept in memory as JSON until it changes; an answer is put together from that. What
only one user may see (what they have signed of others) is kept apart.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import orjson

from ranvier.db.engine import Database
from ranvier.e2ee.remote_keys import ByUser, NobodyElse, QueriedKeys, RemoteKeys
from ranvier.e2ee.user_keys import Signatures, UserKeys, build_user_keys, with_signatures
from ranvier.proto.ids import domain_of
from ranvier.store import cross_signing, device_keys
from ranvier.users.text import is_storable

USERS: Final = 10_000
TIMEOUT_MS: Final = 10_000
"""How long other servers have to answer, if the client does not say."""

Given = dict[str, dict[str, Signatures]]
"""By user and key what somebody else has signed."""


class KeyQueries:
    """Answers `/keys/query`; to be told of every change (`forget`)."""

    def __init__(self, *, db: Database, server_name: str, remote: RemoteKeys | None = None) -> None:
        self._db = db
        self.remote: RemoteKeys = remote or NobodyElse()
        self._server_name = server_name
        self._users: OrderedDict[str, UserKeys] = OrderedDict()
        self._given: OrderedDict[str, Given] = OrderedDict()
        self._loads: list[set[str]] = []
        """For each load under way, who has changed meanwhile."""

    async def query(self, viewer: str, wanted: Mapping[str, Sequence[str]], *, timeout_ms: int = TIMEOUT_MS) -> bytes:
        """By user the devices that are wanted, none for all; the answer's JSON as `viewer` may see it.

        At most four statements, whatever the number of users; none for those who were asked for before.
        """
        others = {user_id: devices for user_id, devices in wanted.items() if domain_of(user_id) != self._server_name}
        remote = await self.remote.query(others, timeout_ms=timeout_ms) if others else QueriedKeys()
        local = [user_id for user_id in wanted if domain_of(user_id) == self._server_name and is_storable(user_id)]
        keys = await self._keys(local)
        given = await self.given(viewer)
        devices, masters, self_signing, user_signing = [], [], [], []
        for user_id in local:
            own = keys[user_id]
            name = orjson.dumps(user_id)
            devices.append(b"%b:%b" % (name, _devices(own, wanted[user_id])))
            if own.master is not None:
                signed = given.get(user_id, {}).get(own.master_key or "")
                master = own.master if not signed else with_signatures(own.master, viewer, signed)
                masters.append(b"%b:%b" % (name, master))
            if own.self_signing is not None:
                self_signing.append(b"%b:%b" % (name, own.self_signing))
            if own.user_signing is not None and user_id == viewer:
                user_signing.append(b"%b:%b" % (name, own.user_signing))
        for user_id, keys_of_devices in remote.devices.items():
            devices.append(b"%b:%b" % (orjson.dumps(user_id), _object(keys_of_devices)))
        for user_id, master in remote.masters.items():
            masters.append(b"%b:%b" % (orjson.dumps(user_id), _signed_master(master, viewer, given.get(user_id))))
        for user_id, key in remote.self_signing.items():
            self_signing.append(b"%b:%b" % (orjson.dumps(user_id), key))
        return (
            b'{"device_keys":{%b},"failures":%b,"master_keys":{%b},"self_signing_keys":{%b},"user_signing_keys":{%b}}'
            % (
                b",".join(devices),
                orjson.dumps(remote.failures),
                b",".join(masters),
                b",".join(self_signing),
                b",".join(user_signing),
            )
        )

    async def published(self, user_ids: Iterable[str]) -> dict[str, UserKeys]:
        """What everybody may see of those of these users who are of this server. At most three statements."""
        return await self._keys(
            [user_id for user_id in user_ids if domain_of(user_id) == self._server_name and is_storable(user_id)]
        )

    async def masters_elsewhere(self, user_ids: Iterable[str]) -> ByUser:
        """The master keys of those of these users who are of other servers, as these tell them."""
        others: dict[str, Sequence[str]] = {
            user_id: [] for user_id in user_ids if domain_of(user_id) != self._server_name
        }
        return (await self.remote.query(others, timeout_ms=TIMEOUT_MS)).masters if others else {}

    async def given(self, signer: str) -> Given:
        """What a user has signed of others. One statement the first time, then none."""
        given = self._given.get(signer)
        if given is None:
            stale = self._begin_load()
            try:
                rows = await cross_signing.given_signatures(self._db, signer)
            finally:
                self._end_load(stale)
            given = {}
            for row in rows:
                given.setdefault(row.target, {}).setdefault(row.target_id, {})[row.signing_key] = row.signature
            if signer not in stale:
                self._given[signer] = given
                if len(self._given) > USERS:
                    self._given.popitem(last=False)
        return given

    def forget(self, user_id: str) -> None:
        """The devices or keys of a user have changed, or what they have signed."""
        self._users.pop(user_id, None)
        self._given.pop(user_id, None)
        for stale in self._loads:
            stale.add(user_id)

    async def on_changed(self, user_id: str, position: int) -> None:
        """A listener of the device lists."""
        self.forget(user_id)

    async def on_signed(self, signer: str, target: str, position: int) -> None:
        """A listener of the device lists."""
        self.forget(signer)

    async def _keys(self, user_ids: Sequence[str]) -> dict[str, UserKeys]:
        found = {}
        missing = []
        for user_id in user_ids:
            keys = self._users.get(user_id)
            if keys is None:
                missing.append(user_id)
            else:
                found[user_id] = keys
        if missing:
            found |= await self._load(missing)
        return found

    async def _load(self, user_ids: Collection[str]) -> dict[str, UserKeys]:
        """Three statements."""
        stale = self._begin_load()
        try:
            devices = await device_keys.of_users(self._db, user_ids)
            keys = await cross_signing.of_users(self._db, user_ids)
            signatures = await cross_signing.own_signatures(self._db, user_ids) if devices or keys else []
        finally:
            self._end_load(stale)
        loaded = build_user_keys(user_ids, devices, keys, signatures)
        self._remember((user_id, own) for user_id, own in loaded.items() if user_id not in stale)
        return loaded

    def _remember(self, loaded: Iterable[tuple[str, UserKeys]]) -> None:
        self._users.update(loaded)
        while len(self._users) > USERS:
            self._users.popitem(last=False)

    def _begin_load(self) -> set[str]:
        stale: set[str] = set()
        self._loads.append(stale)
        return stale

    def _end_load(self, stale: set[str]) -> None:
        self._loads = [other for other in self._loads if other is not stale]


def _devices(keys: UserKeys, wanted: Sequence[str]) -> bytes:
    if not wanted:
        return keys.all_devices
    return _object({device_id: keys.devices[device_id] for device_id in wanted if device_id in keys.devices})


def _object(values: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), value) for name, value in values.items())


def _signed_master(master: bytes, viewer: str, given: Mapping[str, Signatures] | None) -> bytes:
    """A master key with what the viewer has signed of it."""
    if not given:
        return master
    public_keys: dict[str, str] = orjson.loads(master)["keys"]
    signed = next((given[key] for key in public_keys.values() if key in given), None)
    return master if signed is None else with_signatures(master, viewer, signed)
