"""Backups of room keys on the server. Spec: client-server API, "Server-side key backups"."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ranvier.db.engine import Database, Tx, UniqueViolation
from ranvier.e2ee.backup_format import BackedUpRoom, better_keys, encoded_object, parse_version, to_rows
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.store import key_backup as store
from ranvier.store.key_backup import BackedUpKey, BackupVersion
from ranvier.users.text import is_storable


class BackupState(msgspec.Struct):
    """What a change of keys answers."""

    etag: str
    count: int


class KeyBackups:
    """Every user's backups."""

    def __init__(self, *, db: Database) -> None:
        self._db = db

    async def create(self, user_id: str, algorithm: str, auth_data: Mapping[str, Any]) -> str:
        """A new version, which is the current one from now on."""
        encoded = encoded_object(auth_data)
        _check_text(algorithm)
        try:
            return await self._create(user_id, algorithm, encoded)
        except UniqueViolation:  # Another request of this user was faster.
            return await self._create(user_id, algorithm, encoded)

    async def version(self, user_id: str, version: str | None) -> BackupVersion:
        """A version, the current one for `None`. Raises 404 `M_NOT_FOUND`."""
        if version is None:
            return _found(await store.newest(self._db, user_id), "No current backup version")
        return await self._known(user_id, version)

    async def update(
        self, user_id: str, version: str, algorithm: str, auth_data: Mapping[str, Any], *, named: str | None
    ) -> None:
        """Change the `auth_data` of a version; `named` is the version that the body names, if it does.

        Raises 404 `M_NOT_FOUND`, 400 `M_INVALID_PARAM`.
        """
        if named not in (None, version):
            raise invalid_param("The versions in the body and in the path are not the same")
        encoded = encoded_object(auth_data)
        current = await self._known(user_id, version)
        if current.algorithm != algorithm:
            raise invalid_param("Algorithm does not match")
        async with self._db.write() as tx:
            await store.set_auth_data(tx, user_id, current.version, encoded)

    async def delete(self, user_id: str, version: str) -> None:
        """Delete a version with its keys; again is no error. Raises 404 `M_NOT_FOUND` for one that never was."""
        number = parse_version(version)
        async with self._db.write() as tx:
            if number is None or not await store.exists(tx, user_id, number):
                raise _unknown_version()
            await store.delete(tx, user_id, number)

    async def put_keys(self, user_id: str, version: str, rooms: Mapping[str, BackedUpRoom]) -> BackupState:
        """Store keys in the current version, but keep a stored key that is better. One transaction, five statements.

        Raises 404 `M_NOT_FOUND`, 403 `M_WRONG_ROOM_KEYS_VERSION`, 400.
        """
        uploaded = to_rows(rooms)
        for row in uploaded:
            _check_text(row.room_id, row.session_id)
        async with self._db.write() as tx:
            backup = await self._locked(tx, user_id, version)
            await _refuse_old(tx, user_id, backup)
            session_ids = {row.session_id for row in uploaded}
            known = await store.keys_of_sessions(tx, user_id, backup.version, session_ids) if session_ids else []
            changed, added = better_keys(known, uploaded)
            if not changed:
                return BackupState(str(backup.etag), backup.key_count)
            await store.save_keys(tx, user_id, backup.version, changed)
            return await _count(tx, user_id, backup, added)

    async def delete_keys(self, user_id: str, version: str, room_id: str | None, session_id: str | None) -> BackupState:
        """Delete all keys, those of a room, or one. Raises 404 `M_NOT_FOUND`."""
        _check_text(room_id or "", session_id or "")
        async with self._db.write() as tx:
            backup = await self._locked(tx, user_id, version)
            deleted = await store.delete_keys(tx, user_id, backup.version, room_id, session_id)
            if not deleted:
                return BackupState(str(backup.etag), backup.key_count)
            return await _count(tx, user_id, backup, -deleted)

    async def keys(self, user_id: str, version: str, room_id: str | None) -> Sequence[BackedUpKey]:
        """All keys of a version, or those of a room. Raises 404 `M_NOT_FOUND`."""
        _check_text(room_id or "")
        backup = await self._known(user_id, version)
        return await store.keys(self._db, user_id, backup.version, room_id)

    async def key(self, user_id: str, version: str, room_id: str, session_id: str) -> BackedUpKey:
        """One key. Raises 404 `M_NOT_FOUND`."""
        _check_text(room_id, session_id)
        backup = await self._known(user_id, version)
        for key in await store.keys_of_sessions(self._db, user_id, backup.version, [session_id]):
            if key.room_id == room_id:
                return key
        raise not_found("Key not found")

    async def _create(self, user_id: str, algorithm: str, auth_data: bytes) -> str:
        async with self._db.write() as tx:
            return str(await store.create(tx, user_id, algorithm, auth_data))

    async def _known(self, user_id: str, version: str) -> BackupVersion:
        number = parse_version(version)
        return _found(None if number is None else await store.one(self._db, user_id, number), "Unknown backup version")

    async def _locked(self, tx: Tx, user_id: str, version: str) -> BackupVersion:
        number = parse_version(version)
        return _found(None if number is None else await store.lock(tx, user_id, number), "Unknown backup version")


async def _refuse_old(tx: Tx, user_id: str, backup: BackupVersion) -> None:
    current = await store.newest(tx, user_id)
    if current is not None and current.version != backup.version:
        raise MatrixError(
            403,
            "M_WRONG_ROOM_KEYS_VERSION",
            "Wrong backup version",
            extra={"current_version": str(current.version)},
        )


async def _count(tx: Tx, user_id: str, backup: BackupVersion, added: int) -> BackupState:
    etag, key_count = backup.etag + 1, backup.key_count + added
    await store.set_counts(tx, user_id, backup.version, etag=etag, key_count=key_count)
    return BackupState(str(etag), key_count)


def _found(version: BackupVersion | None, error: str) -> BackupVersion:
    if version is None:
        raise not_found(error)
    return version


def _unknown_version() -> MatrixError:
    return not_found("Unknown backup version")


def _check_text(*texts: str) -> None:
    for text in texts:
        if len(text) > 255 or not is_storable(text):
            raise invalid_param("A name is too long, or holds characters that cannot be stored")


def rooms_of(keys: Iterable[BackedUpKey]) -> dict[str, list[BackedUpKey]]:
    """Keys by room."""
    found: dict[str, list[BackedUpKey]] = {}
    for key in keys:
        found.setdefault(key.room_id, []).append(key)
    return found
