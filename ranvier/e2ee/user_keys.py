"""What everybody may see of one user's devices and keys, as JSON. Pure.

Spec: client-server API, "Key and signature security": a user's own signatures on their own keys are for all, those on
others' keys are the signer's alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranvier.store.cross_signing import CrossSigningRow, SignatureRow
from ranvier.store.device_keys import DeviceKeysRow

Signatures = dict[str, str]
"""By the id of the signing key."""


@dataclass(slots=True)
class UserKeys:
    """One user's public keys; `None` where there is none."""

    devices: dict[str, bytes] = field(default_factory=dict)
    all_devices: bytes = b"{}"
    master: bytes | None = None
    master_key: str | None = None
    """The public key."""
    self_signing: bytes | None = None
    user_signing: bytes | None = None
    """For the user alone."""
    _nameless: dict[str, bytes] | None = None

    @property
    def nameless_devices(self) -> dict[str, bytes]:
        """`devices` without the names that their users gave them. Made once."""
        if self._nameless is None:
            self._nameless = {device_id: _without_name(keys) for device_id, keys in self.devices.items()}
        return self._nameless


def build_user_keys(
    user_ids: Collection[str],
    devices: Sequence[DeviceKeysRow],
    keys: Sequence[CrossSigningRow],
    signatures: Sequence[SignatureRow],
) -> dict[str, UserKeys]:
    """From rows of the database, for all of these users."""
    found = {user_id: UserKeys() for user_id in user_ids}
    signed: dict[tuple[str, str], Signatures] = {}
    for row in signatures:
        signed.setdefault((row.target, row.target_id), {})[row.signing_key] = row.signature
    for device in devices:
        own = signed.get((device.user_id, device.device_id), {})
        found[device.user_id].devices[device.device_id] = _device(device, own)
    for key in keys:
        added = with_signatures(key.key, key.user_id, signed.get((key.user_id, key.public_key), {}))
        user = found[key.user_id]
        if key.usage == "master":
            user.master, user.master_key = added, key.public_key
        elif key.usage == "self_signing":
            user.self_signing = added
        else:
            user.user_signing = added
    for user in found.values():
        user.all_devices = b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(id), keys) for id, keys in user.devices.items())
    return found


def with_signatures(key: bytes, signer: str, signatures: Signatures) -> bytes:
    """A key with these signatures added."""
    return key if not signatures else orjson.dumps(_signed(orjson.loads(key), signer, signatures))


def _device(row: DeviceKeysRow, signatures: Signatures) -> bytes:
    if not signatures and row.display_name is None:
        return row.keys
    keys = _signed(orjson.loads(row.keys), row.user_id, signatures)
    if row.display_name is not None:
        keys["unsigned"] = {"device_display_name": row.display_name}
    return orjson.dumps(keys)


def _without_name(keys: bytes) -> bytes:
    if b'"device_display_name"' not in keys:
        return keys
    return orjson.dumps({name: value for name, value in orjson.loads(keys).items() if name != "unsigned"})


def _signed(key: dict[str, Any], signer: str, signatures: Mapping[str, str]) -> dict[str, Any]:
    if signatures:
        by_user = key.setdefault("signatures", {})
        by_user[signer] = {**by_user.get(signer, {}), **signatures}
    return key
