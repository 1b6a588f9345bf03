"""Users publish their cross-signing keys. Spec: client-server API, "Cross-signing", `POST /keys/device_signing/upload`."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ranvier.db.engine import Database
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.key_format import canonical
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param, missing_param, not_found
from ranvier.proto.signing import SignatureError, check_json
from ranvier.proto.unpadded_base64 import decode_base64
from ranvier.store import cross_signing as store
from ranvier.store import devices
from ranvier.store.cross_signing import CrossSigningRow
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.requester import Requester

MASTER: Final = "master"
SELF_SIGNING: Final = "self_signing"
USER_SIGNING: Final = "user_signing"
ED25519: Final = "ed25519:"
REPLACEABLE_MS: Final = 600_000
"""For so long after an administrator has allowed it keys may be replaced without further proof."""
_KEY_BYTES: Final = 32


class _Key(msgspec.Struct):
    user_id: str
    usage: list[str]
    keys: dict[str, str]
    signatures: dict[str, dict[str, str]] = {}


class CrossSigning:
    """Stores cross-signing keys."""

    def __init__(
        self, *, db: Database, clock: Clock, device_lists: DeviceLists, reauthentication: Reauthentication
    ) -> None:
        self._db = db
        self._clock = clock
        self._device_lists = device_lists
        self._reauthentication = reauthentication
        self._replaceable_until: dict[str, int] = {}
        """Who may replace their keys without proving who they are, and how long. Gone with the process."""

    async def allow_replacement(self, user_id: str) -> int:
        """Let a user replace their keys once without proving who they are; until when. Raises 404 without a master key."""
        if all(row.usage != MASTER for row in await store.of_users(self._db, [user_id])):
            raise not_found("The user has no cross-signing keys")
        until = self._replaceable_until[user_id] = self._clock.now_ms() + REPLACEABLE_MS
        return until

    async def upload(
        self, requester: Requester, uploaded: Mapping[str, Mapping[str, Any]], auth: Mapping[str, Any] | None
    ) -> None:
        """Set the keys, by usage, of the user who asks.

        The user must prove who they are unless they have no master key yet, or upload what they have. Raises 401
        `InteractiveAuthRequired`, 400 `M_INVALID_PARAM`, `M_MISSING_PARAM`, `M_INVALID_SIGNATURE`, 403 `M_FORBIDDEN`.
        """
        user_id = requester.user_id
        if not uploaded:
            raise missing_param("There is no key in the request")
        rows = {usage: parse_cross_signing_key(value, user_id, usage) for usage, value in uploaded.items()}
        current = {row.usage: row for row in await store.of_users(self._db, [user_id])}
        master = rows.get(MASTER) or current.get(MASTER)
        if master is None:
            raise missing_param("There is no master key")
        for usage, value in uploaded.items():
            if usage != MASTER:
                _check_signature(value, user_id, master.public_key)
        new = {usage: row for usage, row in rows.items() if not _is_same(row, current.get(usage))}
        if not new:
            return
        session = None
        is_allowed = self._clock.now_ms() < self._replaceable_until.get(user_id, 0)
        if MASTER in current and not is_allowed:
            session = await self._reauthentication.require(
                requester, auth, operation="POST /keys/device_signing/upload"
            )
        await self._refuse_device_ids(user_id, new)
        await self._store(user_id, new, current, is_confirmed=is_allowed or session is not None)
        self._replaceable_until.pop(user_id, None)
        self._reauthentication.end(session)

    async def _refuse_device_ids(self, user_id: str, new: Mapping[str, CrossSigningRow]) -> None:
        """Devices and keys are named alike: a key must not look like a device."""
        device_ids = await devices.ids_of_user(self._db, user_id)
        if any(row.public_key in device_ids for row in new.values()):
            raise forbidden("A device has the same id as one of the keys")

    async def _store(
        self,
        user_id: str,
        new: Mapping[str, CrossSigningRow],
        current: Mapping[str, CrossSigningRow],
        *,
        is_confirmed: bool,
    ) -> None:
        """With a new master key the others go: they are signed by the former one."""
        replaced = set(current) if MASTER in new else set(new) & set(current)
        async with self._device_lists.transaction() as change:
            if not is_confirmed and len(await store.of_users(change.tx, [user_id])) != len(current):
                raise forbidden("Another device has just uploaded keys")
            if replaced:
                public_keys = [current[usage].public_key for usage in replaced]
                await store.delete_signatures_of(change.tx, user_id, public_keys)
                await store.delete(change.tx, user_id, list(replaced))
            await store.save(change.tx, list(new.values()))
            await change.changed(user_id)


def parse_cross_signing_key(value: Mapping[str, Any], user_id: str, usage: str) -> CrossSigningRow:
    """One key as it is uploaded. Raises 400 `M_BAD_JSON`, `M_INVALID_PARAM`."""
    try:
        key = msgspec.convert(value, _Key)
    except msgspec.ValidationError as error:
        raise bad_json(f"{usage}_key: {error}") from None
    if key.user_id != user_id:
        raise invalid_param(f"{usage}_key.user_id is not the user who uploads")
    if usage not in key.usage:
        raise invalid_param(f"{usage}_key.usage does not name {usage}")
    if len(key.keys) != 1:
        raise invalid_param(f"{usage}_key.keys must have one key")
    ((key_id, public_key),) = key.keys.items()
    raw = decode_base64(public_key)
    if key_id != ED25519 + public_key or raw is None or len(raw) != _KEY_BYTES:
        raise invalid_param(f"{usage}_key.keys: must be an Ed25519 key under its own name")
    return CrossSigningRow(user_id, usage, public_key, canonical(value, f"{usage}_key"))


def _check_signature(value: Mapping[str, Any], user_id: str, master_key: str) -> None:
    try:
        check_json(value, user_id, {ED25519 + master_key: decode_base64(master_key) or b""})
    except SignatureError as error:
        raise MatrixError(400, "M_INVALID_SIGNATURE", str(error)) from None


def _is_same(row: CrossSigningRow, current: CrossSigningRow | None) -> bool:
    return current is not None and current.public_key == row.public_key
