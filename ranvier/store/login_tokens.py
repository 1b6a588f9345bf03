"""Tokens with which another device of a user logs in, by the digest of their text; each is good for one login."""

from ranvier.db.engine import Tx


async def insert(tx: Tx, digest: bytes, user_id: str, expires_ts: int) -> None:
    """Give out a token."""
    await tx.run(
        "INSERT INTO login_tokens (digest, user_id, expires_ts) VALUES ($1, $2, $3)", digest, user_id, expires_ts
    )


async def take(tx: Tx, digest: bytes) -> tuple[str, int] | None:
    """`(user_id, expires_ts)` of a token, which is gone then."""
    row = await tx.one("DELETE FROM login_tokens WHERE digest = $1 RETURNING user_id, expires_ts", digest)
    return None if row is None else (row[0], row[1])


async def expire(tx: Tx, *, now_ms: int) -> None:
    """Forget the tokens that are not valid any more."""
    await tx.run("DELETE FROM login_tokens WHERE expires_ts <= $1", now_ms)


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget a user's tokens."""
    await tx.run("DELETE FROM login_tokens WHERE user_id = $1", user_id)
