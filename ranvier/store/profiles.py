"""Profiles of local users: one JSON object a user, so that any field fits; and what accounts are listed by, as columns."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ranvier.db.engine import Reader, Tx

_SAVE: Final = (
    "INSERT INTO profiles (user_id, fields, displayname, avatar_url, folded, listed) VALUES ($1, $2, $3, $4, $5, 1)"
    " ON CONFLICT (user_id) DO UPDATE SET fields = excluded.fields, displayname = excluded.displayname,"
    " avatar_url = excluded.avatar_url, folded = excluded.folded, listed = 1, indexed = 0"
)


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
    await tx.run(_SAVE, *_row(user_id, fields))


async def unlisted(db: Reader, limit: int) -> list[str]:
    """Users whose columns do not say yet what their profiles say, from before there were any. One statement."""
    return [row[0] for row in await db.all("SELECT user_id FROM profiles WHERE listed = 0 LIMIT $1", limit)]


async def list_again(tx: Tx, user_ids: list[str]) -> None:
    """Make the columns say what the profiles say. Two statements."""
    rows = await tx.all("SELECT user_id, fields FROM profiles WHERE user_id = ANY($1)", user_ids)
    await tx.many(_SAVE, [_row(row[0], msgspec.json.decode(row[1], type=dict[str, Any])) for row in rows])


def _row(user_id: str, fields: Mapping[str, object]) -> tuple[object, ...]:
    name, avatar = _text(fields.get("displayname")), _text(fields.get("avatar_url"))
    return user_id, msgspec.json.encode(fields), name, avatar, None if name is None else name.casefold()


def _text(value: object) -> str | None:
    """What a text column can hold of it."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else None
