"""Backups of room keys: versions, and the keys in each. Spec: client-server API, "Server-side key backups"."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx

_VERSION: Final = "version, algorithm, auth_data, etag, key_count"
_KEY: Final = "room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"


@dataclass(frozen=True, slots=True)
class BackupVersion:
    """One version of a user's backup."""

    version: int
    algorithm: str
    auth_data: bytes
    """A JSON object."""
    etag: int
    """Counts the changes."""
    key_count: int


@dataclass(frozen=True, slots=True)
class BackedUpKey:
    """One session's key."""

    room_id: str
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes
    """A JSON object."""


def _version(row: Row | None) -> BackupVersion | None:
    return None if row is None else BackupVersion(row[0], row[1], bytes(row[2]), row[3], row[4])


def _key(row: Row) -> BackedUpKey:
    return BackedUpKey(row[0], row[1], row[2], row[3], bool(row[4]), bytes(row[5]))


async def create(tx: Tx, user_id: str, algorithm: str, auth_data: bytes) -> int:
    """The number of a new version; numbers are never used again."""
    version: int = await tx.value(
        "INSERT INTO key_backups (user_id, version, algorithm, auth_data)"
        " VALUES ($1, (SELECT COALESCE(MAX(version), 0) + 1 FROM key_backups WHERE user_id = $1), $2, $3)"
        " RETURNING version",
        user_id,
        algorithm,
        auth_data,
    )
    return version


async def newest(db: Reader, user_id: str) -> BackupVersion | None:
    """The version that is in use: the last one that has not been deleted."""
    return _version(
        await db.one(
            f"SELECT {_VERSION} FROM key_backups WHERE user_id = $1 AND deleted = 0 ORDER BY version DESC LIMIT 1",
            user_id,
        )
    )


async def one(db: Reader, user_id: str, version: int) -> BackupVersion | None:
    """A version that has not been deleted."""
    return _version(
        await db.one(
            f"SELECT {_VERSION} FROM key_backups WHERE user_id = $1 AND version = $2 AND deleted = 0", user_id, version
        )
    )


async def lock(tx: Tx, user_id: str, version: int) -> BackupVersion | None:
    """Like `one`, and nobody else changes this version before the transaction ends.

    The update changes nothing; it makes others wait on PostgreSQL.
    """
    return _version(
        await tx.one(
            "UPDATE key_backups SET etag = etag WHERE user_id = $1 AND version = $2 AND deleted = 0"
            f" RETURNING {_VERSION}",
            user_id,
            version,
        )
    )


async def exists(db: Reader, user_id: str, version: int) -> bool:
    """Whether there is or was such a version."""
    return await db.value("SELECT 1 FROM key_backups WHERE user_id = $1 AND version = $2", user_id, version) is not None


async def set_auth_data(tx: Tx, user_id: str, version: int, auth_data: bytes) -> None:
    """Change how a version is encrypted."""
    await tx.run(
        "UPDATE key_backups SET auth_data = $3 WHERE user_id = $1 AND version = $2", user_id, version, auth_data
    )


async def delete(tx: Tx, user_id: str, version: int) -> None:
    """Delete a version with its keys. Two statements."""
    await tx.run(
        "UPDATE key_backups SET deleted = 1, key_count = 0, auth_data = $3 WHERE user_id = $1 AND version = $2",
        user_id,
        version,
        b"{}",
    )
    await tx.run("DELETE FROM key_backup_keys WHERE user_id = $1 AND version = $2", user_id, version)


async def set_counts(tx: Tx, user_id: str, version: int, *, etag: int, key_count: int) -> None:
    """The keys of a version have changed."""
    await tx.run(
        "UPDATE key_backups SET etag = $3, key_count = $4 WHERE user_id = $1 AND version = $2",
        user_id,
        version,
        etag,
        key_count,
    )


async def keys_of_sessions(db: Reader, user_id: str, version: int, session_ids: Collection[str]) -> list[BackedUpKey]:
    """The keys of sessions with these ids, of any room. One statement."""
    rows = await db.all(
        f"SELECT {_KEY} FROM key_backup_keys WHERE user_id = $1 AND version = $2 AND session_id = ANY($3)",
        user_id,
        version,
        list(session_ids),
    )
    return [_key(row) for row in rows]


async def keys(db: Reader, user_id: str, version: int, room_id: str | None) -> list[BackedUpKey]:
    """The keys of a version, of one room or of all. One statement."""
    rows = await db.all(
        f"SELECT {_KEY} FROM key_backup_keys WHERE user_id = $1 AND version = $2"
        + ("" if room_id is None else " AND room_id = $3"),
        user_id,
        version,
        *(() if room_id is None else (room_id,)),
    )
    return [_key(row) for row in rows]


async def save_keys(tx: Tx, user_id: str, version: int, rows: Sequence[BackedUpKey]) -> None:
    """Add keys, or replace those of the same session. One statement."""
    await tx.many(
        "INSERT INTO key_backup_keys (user_id, version, room_id, session_id, first_message_index, forwarded_count,"
        " is_verified, session_data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (user_id, version, session_id, room_id) DO UPDATE SET"
        " first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,"
        " is_verified = excluded.is_verified, session_data = excluded.session_data",
        [
            (
                user_id,
                version,
                row.room_id,
                row.session_id,
                row.first_message_index,
                row.forwarded_count,
                int(row.is_verified),
                row.session_data,
            )
            for row in rows
        ],
    )


async def delete_keys(tx: Tx, user_id: str, version: int, room_id: str | None, session_id: str | None) -> int:
    """Delete all keys of a version, those of a room, or that of a session of it; how many there were."""
    if room_id is None:
        return await tx.run("DELETE FROM key_backup_keys WHERE user_id = $1 AND version = $2", user_id, version)
    if session_id is None:
        return await tx.run(
            "DELETE FROM key_backup_keys WHERE user_id = $1 AND version = $2 AND room_id = $3",
            user_id,
            version,
            room_id,
        )
    return await tx.run(
        "DELETE FROM key_backup_keys WHERE user_id = $1 AND version = $2 AND session_id = $4 AND room_id = $3",
        user_id,
        version,
        room_id,
        session_id,
    )


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget every backup of a user. Two statements."""
    for table in ("key_backups", "key_backup_keys"):
        await tx.run(f"DELETE FROM {table} WHERE user_id = $1", user_id)
