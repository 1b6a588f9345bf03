"""Account data: what clients keep for a user, globally or for a room, as a stream of changes.

Spec: client-server API, "Client Config". An empty `room_id` means that it is not about a room.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Row, Tx

GLOBAL = ""


@dataclass(frozen=True, slots=True)
class AccountDatum:
    """The current value of one entry."""

    room_id: str
    type: str
    stream_pos: int
    content: bytes
    """A JSON object."""


def _datum(row: Row) -> AccountDatum:
    return AccountDatum(*row)


async def save(tx: Tx, user_id: str, datum: AccountDatum) -> None:
    """Set one entry. One statement."""
    await tx.run(
        "INSERT INTO account_data (user_id, room_id, type, stream_pos, content) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id, room_id, type)"
        " DO UPDATE SET stream_pos = excluded.stream_pos, content = excluded.content",
        user_id,
        datum.room_id,
        datum.type,
        datum.stream_pos,
        datum.content,
    )


async def content(db: Reader, user_id: str, room_id: str, type_: str) -> bytes | None:
    """One entry's content."""
    found: bytes | None = await db.value(
        "SELECT content FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3", user_id, room_id, type_
    )
    return found


async def of_user(db: Reader, user_id: str) -> list[AccountDatum]:
    """Everything a user keeps."""
    rows = await db.all(
        "SELECT room_id, type, stream_pos, content FROM account_data WHERE user_id = $1 ORDER BY stream_pos", user_id
    )
    return [_datum(row) for row in rows]


async def of_room(db: Reader, user_id: str, room_id: str) -> list[AccountDatum]:
    """Everything a user keeps about one room, or globally."""
    rows = await db.all(
        "SELECT room_id, type, stream_pos, content FROM account_data WHERE user_id = $1 AND room_id = $2"
        " ORDER BY stream_pos",
        user_id,
        room_id,
    )
    return [_datum(row) for row in rows]


async def of_rooms(db: Reader, user_id: str, room_ids: Sequence[str], until_pos: int) -> list[AccountDatum]:
    """What a user keeps about some rooms, as far as it was set up to a position."""
    rows = await db.all(
        "SELECT room_id, type, stream_pos, content FROM account_data WHERE user_id = $1 AND room_id = ANY($2)"
        " AND stream_pos <= $3 ORDER BY stream_pos",
        user_id,
        list(room_ids),
        until_pos,
    )
    return [_datum(row) for row in rows]


async def changes(db: Reader, user_id: str, after_pos: int, until_pos: int) -> list[AccountDatum]:
    """The entries that were last set in `after_pos < stream_pos <= until_pos`, in order."""
    rows = await db.all(
        "SELECT room_id, type, stream_pos, content FROM account_data WHERE user_id = $1 AND stream_pos > $2"
        " AND stream_pos <= $3 ORDER BY stream_pos",
        user_id,
        after_pos,
        until_pos,
    )
    return [_datum(row) for row in rows]


async def greatest_pos(db: Reader) -> int:
    """The last position that was given out, 0 if there is none; also of what has been deleted since."""
    found = await db.value(
        "SELECT MAX(stream_pos) FROM (SELECT MAX(stream_pos) AS stream_pos FROM account_data UNION ALL"
        " SELECT stream_pos FROM reserved_positions WHERE stream = 'account_data') AS given"
    )
    return found or 0


async def greatest_pos_of(db: Reader, user_id: str) -> int:
    """The position of a user's last change, 0 if there is none."""
    return await db.value("SELECT MAX(stream_pos) FROM account_data WHERE user_id = $1", user_id) or 0


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget everything a user keeps. Its positions must never be given out again: others have seen later ones."""
    await tx.run(
        "INSERT INTO reserved_positions (stream, stream_pos)"
        " SELECT 'account_data', COALESCE(MAX(stream_pos), 0) FROM account_data WHERE user_id = $1"
        " ON CONFLICT (stream) DO UPDATE SET stream_pos = CASE WHEN excluded.stream_pos > reserved_positions.stream_pos"
        " THEN excluded.stream_pos ELSE reserved_positions.stream_pos END",
        user_id,
    )
    await tx.run("DELETE FROM account_data WHERE user_id = $1", user_id)
