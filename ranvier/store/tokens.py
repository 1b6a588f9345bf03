"""Access tokens and refresh tokens, by the digest of their text.

Spec: client-server API, "Refreshing access tokens". Using a refresh token gives out a new pair; the pair it belonged to
stays valid until a token of the new pair is used, so that a client which lost the answer can ask again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOwner:
    """An access token and the state of its owner's account."""

    token_nid: int
    user_id: str
    device_id: str | None
    expires_ts: int | None
    refresh_nid: int | None
    used: bool
    is_guest: bool
    is_admin: bool
    shadow_banned: bool
    locked: bool
    suspended: bool
    deactivated: bool
    appservice_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token."""

    token_nid: int
    user_id: str
    device_id: str
    expires_ts: int | None
    session_expires_ts: int | None
    next_nid: int | None


async def owner(db: Reader, digest: bytes) -> TokenOwner | None:
    """Whose access token this is. One statement."""
    row = await db.one(
        "SELECT t.token_nid, t.user_id, t.device_id, t.expires_ts, t.refresh_nid, t.used, u.is_guest, u.admin,"
        " u.shadow_banned, u.locked, u.suspended, u.deactivated, u.appservice_id"
        " FROM access_tokens t JOIN users u ON u.name = t.user_id WHERE t.digest = $1",
        digest,
    )
    if row is None:
        return None
    return TokenOwner(
        token_nid=row[0],
        user_id=row[1],
        device_id=row[2],
        expires_ts=row[3],
        refresh_nid=row[4],
        used=bool(row[5]),
        is_guest=bool(row[6]),
        is_admin=bool(row[7]),
        shadow_banned=bool(row[8]),
        locked=bool(row[9]),
        suspended=bool(row[10]),
        deactivated=bool(row[11]),
        appservice_id=row[12],
    )


async def insert_access(
    tx: Tx,
    *,
    digest: bytes,
    user_id: str,
    device_id: str | None,
    created_ts: int,
    expires_ts: int | None,
    refresh_nid: int | None,
) -> None:
    """Give out an access token."""
    await tx.run(
        "INSERT INTO access_tokens (digest, user_id, device_id, created_ts, expires_ts, refresh_nid)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        digest,
        user_id,
        device_id,
        created_ts,
        expires_ts,
        refresh_nid,
    )


async def insert_refresh(
    tx: Tx,
    *,
    digest: bytes,
    user_id: str,
    device_id: str,
    expires_ts: int | None,
    session_expires_ts: int | None,
) -> int:
    """Give out a refresh token; its number."""
    token_nid: int = await tx.value(
        "INSERT INTO refresh_tokens (digest, user_id, device_id, expires_ts, session_expires_ts)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING token_nid",
        digest,
        user_id,
        device_id,
        expires_ts,
        session_expires_ts,
    )
    return token_nid


async def claim_refresh(tx: Tx, digest: bytes) -> RefreshToken | None:
    """The refresh token with this digest, used or not, for this transaction alone.

    The update changes nothing; it makes a second exchange of the same token wait on PostgreSQL.
    """
    row = await tx.one(
        "UPDATE refresh_tokens SET next_nid = next_nid WHERE digest = $1"
        " RETURNING token_nid, user_id, device_id, expires_ts, session_expires_ts, next_nid",
        digest,
    )
    if row is None:
        return None
    return RefreshToken(
        token_nid=row[0],
        user_id=row[1],
        device_id=row[2],
        expires_ts=row[3],
        session_expires_ts=row[4],
        next_nid=row[5],
    )


async def replace_refresh(tx: Tx, token_nid: int, next_nid: int) -> None:
    """Note that a refresh token has been used, and which one replaced it."""
    await tx.run("UPDATE refresh_tokens SET next_nid = $2 WHERE token_nid = $1", token_nid, next_nid)


async def mark_used(tx: Tx, token_nid: int) -> None:
    """Note that an access token has been used."""
    await tx.run("UPDATE access_tokens SET used = 1 WHERE token_nid = $1", token_nid)


async def delete_pair(tx: Tx, refresh_nid: int) -> None:
    """Forget a refresh token and the access token that was given out with it."""
    await tx.run("DELETE FROM access_tokens WHERE refresh_nid = $1", refresh_nid)
    await tx.run("DELETE FROM refresh_tokens WHERE token_nid = $1", refresh_nid)


async def delete_predecessors(tx: Tx, refresh_nid: int) -> None:
    """Forget the pair that the pair of this refresh token replaced."""
    for (token_nid,) in await tx.all("SELECT token_nid FROM refresh_tokens WHERE next_nid = $1", refresh_nid):
        await delete_pair(tx, token_nid)


async def delete_access(tx: Tx, token_nid: int) -> None:
    """Forget one access token."""
    await tx.run("DELETE FROM access_tokens WHERE token_nid = $1", token_nid)


async def delete_of_devices(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
    """Forget every token of some devices."""
    devices = list(device_ids)
    await tx.run("DELETE FROM access_tokens WHERE user_id = $1 AND device_id = ANY($2)", user_id, devices)
    await tx.run("DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = ANY($2)", user_id, devices)


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget every token of a user, those without a device too."""
    await tx.run("DELETE FROM access_tokens WHERE user_id = $1", user_id)
    await tx.run("DELETE FROM refresh_tokens WHERE user_id = $1", user_id)


async def delete_deviceless(tx: Tx, user_id: str, *, except_nid: int | None) -> None:
    """Forget a user's access tokens that belong to no device, but for one."""
    await tx.run(
        "DELETE FROM access_tokens WHERE user_id = $1 AND device_id IS NULL AND token_nid <> $2",
        user_id,
        except_nid or 0,
    )
