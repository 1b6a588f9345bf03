"""Profiles of local users: one JSON object a user, so that any field fits."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ranvier.db.engine import Reader, Tx


async def of_user(db: Reader, user_id: str) -> dict[str, Any] | None:
    """The fields that are set; None if there is no such user."""
    fields = await db.value("SELECT fields FROM profiles WHERE user_id = $1", user_id)
    return None if fields is None else msgspec.json.decode(fields, type=dict[str, Any])


async def claim(tx: Tx, user_id: str) -> dict[str, Any] | None:
    """The fields that are set, for this transaction alone (on PostgreSQL the update makes others wait)."""
    fields = await tx.value("UPDATE profiles SET fields = fields WHERE user_id = $1 RETURNING fields", user_id)
    return None if fields is None else msgspec.json.decode(fields, type=dict[str, Any])


async def save(tx: Tx, user_id: str, fields: Mapping[str, object]) -> None:
    """Set the whole profile."""
    await tx.run(
        "INSERT INTO profiles (user_id, fields) VALUES ($1, $2)"
        " ON CONFLICT (user_id) DO UPDATE SET fields = excluded.fields",
        user_id,
        msgspec.json.encode(fields),
    )
