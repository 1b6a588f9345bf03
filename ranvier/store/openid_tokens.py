"""Tokens by which a user proves to somebody else who they are. Spec: client-server API, "OpenID"."""

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, digest: bytes, user_id: str, expires_ts: int) -> None:
    """Keep a new token, by its digest."""
    await tx.run(
        "INSERT INTO openid_tokens (digest, user_id, expires_ts) VALUES ($1, $2, $3)", digest, user_id, expires_ts
    )


async def user_of(db: Reader, digest: bytes, *, now_ms: int) -> str | None:
    """Whose token this is: none if it is unknown or has expired, or if the account is closed by now."""
    user_id: str | None = await db.value(
        "SELECT t.user_id FROM openid_tokens t JOIN users u ON u.name = t.user_id"
        " WHERE t.digest = $1 AND t.expires_ts > $2 AND u.deactivated = 0",
        digest,
        now_ms,
    )
    return user_id


async def expire(tx: Tx, *, now_ms: int) -> None:
    """Forget what has expired."""
    await tx.run("DELETE FROM openid_tokens WHERE expires_ts <= $1", now_ms)


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget the tokens of a user."""
    await tx.run("DELETE FROM openid_tokens WHERE user_id = $1", user_id)
