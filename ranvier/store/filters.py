"""Filters that clients have uploaded; definitions never change."""

import hashlib

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, user_id: str, definition: bytes) -> int:
    """The number of this definition; the same one if the user has stored the same bytes before."""
    digest = hashlib.sha256(definition).digest()
    known: int | None = await tx.value(
        "SELECT filter_id FROM user_filters WHERE user_id = $1 AND digest = $2", user_id, digest
    )
    if known is not None:
        return known
    filter_id: int = await tx.value(
        "INSERT INTO user_filters (user_id, filter_id, digest, definition)"
        " VALUES ($1, (SELECT COALESCE(MAX(filter_id) + 1, 0) FROM user_filters WHERE user_id = $1), $2, $3)"
        " RETURNING filter_id",
        user_id,
        digest,
        definition,
    )
    return filter_id


async def definition(db: Reader, user_id: str, filter_id: int) -> bytes | None:
    """The definition as it was stored."""
    found: bytes | None = await db.value(
        "SELECT definition FROM user_filters WHERE user_id = $1 AND filter_id = $2", user_id, filter_id
    )
    return found


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget all filters of a user."""
    await tx.run("DELETE FROM user_filters WHERE user_id = $1", user_id)
