"""Signatures are added to keys. Spec: client-server API, `POST /keys/signatures/upload`, "Key and signature security".

Three kinds are accepted: a user's self-signing key signs their devices, their devices sign their master key, and their
user-signing key signs others' master keys.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ranvier.db.engine import Database
from ranvier.e2ee.cross_signing import ED25519, MASTER, SELF_SIGNING, USER_SIGNING
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.query_keys import KeyQueries
from ranvier.proto.canonical_json import NotCanonical, encode
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.proto.signing import is_signature, signatures_of
from ranvier.proto.unpadded_base64 import decode_base64
from ranvier.store import cross_signing as store
from ranvier.store import device_keys
from ranvier.store.cross_signing import CrossSigningRow, SignatureRow
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

Uploaded = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and key (a device id or a public key) the signed key."""
Failures = dict[str, dict[str, dict[str, str]]]


class _Known:
    """The keys that matter to one request."""

    def __init__(self, signer: str, keys: Iterable[CrossSigningRow], devices: Mapping[str, bytes]) -> None:
        self.signer = signer
        self.devices = devices
        """The signer's, by id."""
        self._keys = {(row.user_id, row.usage): row for row in keys}

    def key(self, user_id: str, usage: str) -> CrossSigningRow | None:
        """A cross-signing key."""
        return self._keys.get((user_id, usage))


class KeySigning:
    """Stores signatures."""

    def __init__(self, *, db: Database, device_lists: DeviceLists, queries: KeyQueries) -> None:
        self._db = db
        self._queries = queries
        self._device_lists = device_lists

    async def upload(self, requester: Requester, uploaded: Uploaded) -> Failures:
        """Add the signatures that are right; why the others are not, by user and key. One transaction.

        For signatures on keys of users of other servers these are asked, unless their keys are known.
        """
        signer = requester.user_id
        users = [user_id for user_id in {signer, *uploaded} if is_storable(user_id)]
        own_devices = {row.device_id: row.keys for row in await device_keys.of_users(self._db, [signer])}
        told = await self._queries.masters_elsewhere(users)
        keys = [*await store.of_users(self._db, users), *(_master_row(*entry) for entry in told.items())]
        known = _Known(signer, keys, own_devices)
        failures: Failures = {}
        accepted: list[SignatureRow] = []
        for user_id, signed in uploaded.items():
            for key_id, value in signed.items():
                try:
                    accepted += _accept(known, user_id, key_id, value)
                except MatrixError as error:
                    failures.setdefault(user_id, {})[key_id] = {"errcode": error.errcode, "error": error.error}
        if accepted:
            await self._store(signer, accepted)
        return failures

    async def _store(self, signer: str, accepted: list[SignatureRow]) -> None:
        async with self._device_lists.transaction() as change:
            await store.sign(change.tx, accepted)
            for target in {row.target for row in accepted}:
                if target == signer:
                    await change.changed(signer)
                else:
                    await change.signed(signer, target)


def _accept(known: _Known, user_id: str, key_id: str, value: Mapping[str, Any]) -> list[SignatureRow]:
    """The signatures on one key that are to be stored. Raises `MatrixError`."""
    stored, signing_keys = _signable(known, user_id, key_id)
    message = _bare(value)
    if message != _bare(orjson.loads(stored)):
        raise invalid_param("This is not the key that was uploaded")
    given = signatures_of(value, known.signer)
    rows = [SignatureRow(known.signer, user_id, key_id, name, given[name]) for name in given if name in signing_keys]
    if not rows or not all(
        is_signature(message, row.signature, decode_base64(signing_keys[row.signing_key]) or b"") for row in rows
    ):
        raise MatrixError(400, "M_INVALID_SIGNATURE", "Invalid signature")
    return rows


def _signable(known: _Known, user_id: str, key_id: str) -> tuple[bytes, dict[str, str]]:
    """The stored key, and the public keys by id that may sign it. Raises 404 `M_NOT_FOUND`."""
    master = known.key(user_id, MASTER)
    is_master = master is not None and master.public_key == key_id
    if user_id != known.signer:
        if is_master and master is not None:
            return master.key, _public(known.key(known.signer, USER_SIGNING))
    elif is_master and master is not None:
        return master.key, _device_public_keys(known.devices)
    elif key_id in known.devices:
        return known.devices[key_id], _public(known.key(user_id, SELF_SIGNING))
    raise not_found("No such key that could be signed")


def _master_row(user_id: str, master: bytes) -> CrossSigningRow:
    """The master key of a user of another server, which has been checked."""
    (public_key,) = orjson.loads(master)["keys"].values()
    return CrossSigningRow(user_id, MASTER, public_key, master)


def _public(row: CrossSigningRow | None) -> dict[str, str]:
    return {} if row is None else {ED25519 + row.public_key: row.public_key}


def _device_public_keys(devices: Mapping[str, bytes]) -> dict[str, str]:
    found = {}
    for device_id, keys in devices.items():
        public_key = orjson.loads(keys)["keys"].get(ED25519 + device_id)
        if public_key is not None:
            found[ED25519 + device_id] = public_key
    return found


def _bare(value: Mapping[str, Any]) -> bytes:
    """What is signed. Raises 400 `M_INVALID_PARAM`."""
    try:
        return encode({key: item for key, item in value.items() if key not in ("signatures", "unsigned")})
    except NotCanonical as error:
        raise invalid_param(str(error)) from None
