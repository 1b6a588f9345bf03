"""Accounts of this server: one row a user, for ever (a user id is never given out twice)."""

from dataclasses import dataclass
from typing import Final, Literal

from ranvier.db.engine import Reader, Row, Tx

Flag = Literal["admin", "deactivated", "erased", "locked", "suspended", "shadow_banned"]

_FLAGS: Final[frozenset[str]] = frozenset(("admin", "deactivated", "erased", "locked", "suspended", "shadow_banned"))
_COLUMNS: Final = (
    "name, password_hash, creation_ts, admin, is_guest, deactivated, erased, locked, suspended, shadow_banned,"
    " user_type, appservice_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """One account."""

    user_id: str
    password_hash: str | None = None
    creation_ts: int
    is_admin: bool = False
    is_guest: bool = False
    deactivated: bool = False
    erased: bool = False
    locked: bool = False
    suspended: bool = False
    shadow_banned: bool = False
    user_type: str | None = None
    appservice_id: str | None = None


def _user(row: Row) -> UserRow:
    return UserRow(
        user_id=row[0],
        password_hash=row[1],
        creation_ts=row[2],
        is_admin=bool(row[3]),
        is_guest=bool(row[4]),
        deactivated=bool(row[5]),
        erased=bool(row[6]),
        locked=bool(row[7]),
        suspended=bool(row[8]),
        shadow_banned=bool(row[9]),
        user_type=row[10],
        appservice_id=row[11],
    )


async def by_id(db: Reader, user_id: str) -> UserRow | None:
    """The account with exactly this id."""
    row = await db.one(f"SELECT {_COLUMNS} FROM users WHERE name = $1", user_id)
    return None if row is None else _user(row)


async def insert(tx: Tx, user: UserRow) -> None:
    """Make an account. Raises `UniqueViolation` if the id was ever given out."""
    await tx.run(
        f"INSERT INTO users ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        user.user_id,
        user.password_hash,
        user.creation_ts,
        user.is_admin,
        user.is_guest,
        user.deactivated,
        user.erased,
        user.locked,
        user.suspended,
        user.shadow_banned,
        user.user_type,
        user.appservice_id,
    )


async def set_password_hash(tx: Tx, user_id: str, password_hash: str | None) -> bool:
    """Whether there is such an account."""
    return await tx.run("UPDATE users SET password_hash = $2 WHERE name = $1", user_id, password_hash) > 0


async def set_flag(tx: Tx, user_id: str, flag: Flag, value: bool) -> bool:  # noqa: FBT001 - the value is the subject
    """Whether there is such an account."""
    assert flag in _FLAGS
    return await tx.run(f"UPDATE users SET {flag} = $2 WHERE name = $1", user_id, value) > 0


async def set_consent(tx: Tx, user_id: str, version: str, ts: int) -> bool:
    """Note that a user has agreed to the policy of this version. Whether there is such an account."""
    changed = await tx.run(
        "UPDATE users SET consent_version = $2, consent_ts = $3 WHERE name = $1", user_id, version, ts
    )
    return changed > 0


async def upgrade_guest(tx: Tx, user_id: str, password_hash: str | None) -> bool:
    """Make a full account of a guest's. Whether there is such a guest."""
    changed = await tx.run(
        "UPDATE users SET is_guest = 0, password_hash = $2 WHERE name = $1 AND is_guest = 1 AND deactivated = 0",
        user_id,
        password_hash,
    )
    return changed > 0


async def set_user_type(tx: Tx, user_id: str, user_type: str | None) -> bool:
    """Whether there is such an account."""
    return await tx.run("UPDATE users SET user_type = $2 WHERE name = $1", user_id, user_type) > 0


async def any_user(db: Reader) -> bool:
    """Whether there is an account at all."""
    return await db.value("SELECT 1 FROM users LIMIT 1") is not None
