"""Receipts: how far users have read, one row a user, room, kind and thread.

Spec: client-server API, "Receipts".
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx
from ranvier.store.reserved_positions import reserved_pos

UNTHREADED: Final = ""
MAIN: Final = "main"

_COLUMNS: Final = "r.room_nid, r.user_nid, r.pos, r.stream_pos, r.ts, r.is_private, r.thread, r.event_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One place that a user has marked."""

    room_nid: int
    user_nid: int
    user_id: str
    pos: int
    """Of the event in the room's timeline; 0 if we do not have the event."""
    ts: int
    is_private: bool
    """Whether it is `m.read.private`, which nobody else may see."""
    thread: str
    """The id of the thread's root, `MAIN`, or `UNTHREADED`."""
    event_id: str
    stream_pos: int = 0

    @property
    def key(self) -> tuple[bool, str]:
        """What a newer receipt of the user in this room has to have in common to replace this one."""
        return self.is_private, self.thread


def _receipt(row: Row, user_id: str) -> Receipt:
    room_nid, user_nid, pos, stream_pos, ts, is_private, thread, event_id = row[:8]
    return Receipt(
        room_nid=room_nid,
        user_nid=user_nid,
        user_id=user_id,
        pos=pos,
        ts=ts,
        is_private=bool(is_private),
        thread=thread,
        event_id=event_id,
        stream_pos=stream_pos,
    )


async def save(tx: Tx, receipts: Iterable[Receipt]) -> None:
    """Set receipts. One statement."""
    await tx.many(
        "INSERT INTO receipts (room_nid, user_nid, pos, stream_pos, ts, is_private, thread, event_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (room_nid, user_nid, is_private, thread)"
        " DO UPDATE SET pos = excluded.pos, stream_pos = excluded.stream_pos, ts = excluded.ts,"
        " event_id = excluded.event_id",
        [
            (r.room_nid, r.user_nid, r.pos, r.stream_pos, r.ts, int(r.is_private), r.thread, r.event_id)
            for r in receipts
        ],
    )


async def of_user(db: Reader, user_nid: int, user_id: str) -> list[Receipt]:
    """Every receipt of a user."""
    rows = await db.all(f"SELECT {_COLUMNS} FROM receipts r WHERE r.user_nid = $1", user_nid)
    return [_receipt(row, user_id) for row in rows]


async def of_rooms(
    db: Reader, room_nids: Collection[int], *, after: int, is_private_for: int | None = None
) -> list[Receipt]:
    """The public receipts of these rooms with `stream_pos > after`, and the private ones of one user, in order."""
    rows = await db.all(
        f"SELECT {_COLUMNS}, k.state_key FROM receipts r JOIN state_keys k ON k.key_id = r.user_nid"
        " WHERE r.room_nid = ANY($1) AND r.stream_pos > $2 AND (r.is_private = 0 OR r.user_nid = $3)"
        " ORDER BY r.stream_pos",
        list(room_nids),
        after,
        -1 if is_private_for is None else is_private_for,
    )
    return [_receipt(row, row[8]) for row in rows]


async def newest_of_rooms(db: Reader, room_nids: Collection[int], *, user_nid: int, after: int) -> dict[int, int]:
    """The newest position of each of these rooms in which something after `after` concerns the user."""
    rows = await db.all(
        "SELECT room_nid, MAX(stream_pos) FROM receipts WHERE room_nid = ANY($1) AND stream_pos > $2"
        " AND (is_private = 0 OR user_nid = $3) GROUP BY room_nid",
        list(room_nids),
        after,
        user_nid,
    )
    return {row[0]: row[1] for row in rows}


async def greatest_pos(db: Reader) -> int:
    """The last position that was given out, 0 if there is none. One seek a room."""
    found = await db.value(
        "SELECT MAX((SELECT MAX(r.stream_pos) FROM receipts r WHERE r.room_nid = rooms.room_nid)) FROM rooms"
    )
    return max(found or 0, await reserved_pos(db, "receipts"))


async def delete_of_room(tx: Tx, room_nid: int) -> None:
    """Forget every receipt of a room."""
    await tx.run("DELETE FROM receipts WHERE room_nid = $1", room_nid)
