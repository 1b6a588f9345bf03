"""Events as rows: what we know about an event beside the event itself.

One row an event; its JSON is the PDU exactly as it is sent. Auth edges are varints in the event's own row.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from ranvier.db.engine import Reader, Row, Tx
from ranvier.proto.event_format import load_event
from ranvier.proto.events import Event
from ranvier.proto.redaction import redact_event
from ranvier.proto.room_versions import RoomVersion
from ranvier.store.reserved_positions import reserved_pos

POS_BITS: Final = 20
"""A live event stands at `stream_pos << POS_BITS` in its room; the numbers below are for history fetched later."""

FIRST_POS: Final = -(1 << 62)
"""Before every event of every room."""

ACCEPTED: Final = 0
REJECTED: Final = 1
SOFT_FAILED: Final = 2

COLUMNS: Final = (
    "event_nid, room_nid, pos, event_id, state_before, key_id, replaces, redacted_by, status, auth_depth, state_after,"
    " head_before, json"
)
"""The columns that `StoredEvent` is made from, in the order `stored_event` expects."""


class Txn(msgspec.Struct, frozen=True, gc=False):
    """The client request that made an event."""

    user_id: str
    device_id: str
    txn_id: str


NO_TXN: Final = Txn("", "", "")
"""For events that are known to come from no transaction."""


class StoredEvent(msgspec.Struct, eq=False, kw_only=True):
    """An event with its place in the store.

    Shared by caches; it changes in two ways only: it is given its `pos` when it is submitted, and a redaction sets
    `redacted_by` and puts the pruned event in the place of `event`.
    """

    event: Event
    """The event as everyone may see it: pruned if it has been redacted."""
    event_nid: int
    room_nid: int
    pos: int | None
    """Order in the room's timeline; `None` for outliers."""
    state_before: int | None
    key_id: int | None
    replaces: int | None
    """`event_nid` of the state event that this one replaced."""
    redacted_by: int | None = None
    """`event_nid` of the redaction that was applied."""
    status: int = ACCEPTED
    auth_depth: int
    """1 + the greatest of its auth events' (1 without any)."""
    state_after: int | None = None
    """The number of the state with this (state) event in it; `None` where it has to be derived."""
    head_before: int | None = None
    """The number of the room's state when the event came, if that was not `state_before`."""
    txn: Txn | None = None
    """The local request that made it, `NO_TXN` if there was none; `None` if only the database knows."""

    @property
    def stream_pos(self) -> int:
        """Position in the stream of live events."""
        return 0 if self.pos is None else self.pos >> POS_BITS

    @property
    def is_outside(self) -> bool:
        """Whether it is a local user's membership of a room that this server was not in: it stands alone."""
        return self.pos is not None and self.state_before is None

    @property
    def room_before(self) -> int:
        """The number of the state that was the room's when the event came."""
        return (self.state_before or 0) if self.head_before is None else self.head_before


def stored_event(row: Row, version: RoomVersion) -> StoredEvent:
    """A row of `COLUMNS` as a `StoredEvent`; `version` is the room's."""
    (
        event_nid,
        room_nid,
        pos,
        event_id,
        state_before,
        key_id,
        replaces,
        redacted_by,
        status,
        auth_depth,
        state_after,
        head_before,
        json,
    ) = row
    event = load_event(json, event_id, version)
    return StoredEvent(
        event=event if redacted_by is None else redact_event(event),
        event_nid=event_nid,
        room_nid=room_nid,
        pos=pos,
        state_before=state_before,
        key_id=key_id,
        replaces=replaces,
        redacted_by=redacted_by,
        status=status,
        auth_depth=auth_depth,
        state_after=state_after,
        head_before=head_before,
    )


async def insert(tx: Tx, rows: Sequence[tuple[StoredEvent, bytes]]) -> None:
    """Store events, each with its encoded auth edges. One statement."""
    await tx.many(
        f"INSERT INTO events ({COLUMNS}, auth) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        [
            (
                stored.event_nid,
                stored.room_nid,
                stored.pos,
                stored.event.event_id,
                stored.state_before,
                stored.key_id,
                stored.replaces,
                stored.redacted_by,
                stored.status,
                stored.auth_depth,
                stored.state_after,
                stored.head_before,
                stored.event.json,
                auth,
            )
            for stored, auth in rows
        ],
    )


async def delete(tx: Tx, event_nids: Collection[int]) -> None:
    """Events that are about to be stored under other numbers. One statement."""
    await tx.run("DELETE FROM events WHERE event_nid = ANY($1)", list(event_nids))


async def place(tx: Tx, rows: Sequence[tuple[StoredEvent, bytes]]) -> None:
    """Outliers that have become part of their room's graph, each with its encoded auth edges. One statement."""
    await tx.many(
        "UPDATE events SET pos = $2, state_before = $3, replaces = $4, status = $5, state_after = $6, head_before = $7,"
        " auth_depth = $8, auth = $9 WHERE event_nid = $1",
        [
            (
                stored.event_nid,
                stored.pos,
                stored.state_before,
                stored.replaces,
                stored.status,
                stored.state_after,
                stored.head_before,
                stored.auth_depth,
                auth,
            )
            for stored, auth in rows
        ],
    )


async def mark_redacted(tx: Tx, rows: Sequence[tuple[int, int | None]]) -> None:
    """`(event_nid, redaction's event_nid)` pairs; `None`: redacted no more."""
    await tx.many("UPDATE events SET redacted_by = $2 WHERE event_nid = $1", rows)


async def rows_by_nid(db: Reader, event_nids: Collection[int]) -> list[Row]:
    """Rows of `COLUMNS` for these numbers, in any order."""
    return await db.all(f"SELECT {COLUMNS} FROM events WHERE event_nid = ANY($1)", list(event_nids))


async def rows_by_id(db: Reader, event_ids: Collection[str]) -> list[Row]:
    """Rows of `COLUMNS` for these ids, in any order; unknown ids are missing."""
    return await db.all(f"SELECT {COLUMNS} FROM events WHERE event_id = ANY($1)", list(event_ids))


async def timeline_rows(
    db: Reader, room_nid: int, *, after: int, before: int, limit: int, backwards: bool
) -> list[Row]:
    """Rows of `COLUMNS` with `after < pos < before`, nearest the starting end first.

    Soft-failed and rejected events are left out, and so are those whose place in the room is not known.
    """
    order = "DESC" if backwards else "ASC"
    return await db.all(
        f"SELECT {COLUMNS} FROM events WHERE room_nid = $1 AND pos > $2 AND pos < $3 AND status = 0"
        f" AND state_before IS NOT NULL ORDER BY pos {order} LIMIT $4",
        room_nid,
        after,
        before,
        limit,
    )


async def band_below(db: Reader, room_nid: int, pos: int) -> tuple[int, int]:
    """The free positions right below the event at `pos` and what was fetched to stand before it: `(lowest, highest)`.

    Two statements.
    """
    floor = await db.value(
        "SELECT MAX(pos) FROM events WHERE room_nid = $1 AND pos < $2 AND pos % $3 = 0", room_nid, pos, 1 << POS_BITS
    )
    floor = FIRST_POS if floor is None else floor
    lowest = await db.value("SELECT MIN(pos) FROM events WHERE room_nid = $1 AND pos > $2", room_nid, floor)
    return floor + 1, (pos if lowest is None else min(pos, lowest)) - 1


async def auth_edges(db: Reader, event_nids: Collection[int]) -> dict[int, tuple[int, list[int]]]:
    """`event_nid -> (auth_depth, numbers of its auth events)`."""
    rows = await db.all("SELECT event_nid, auth_depth, auth FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return {nid: (depth, decode_auth(nid, auth)) for nid, depth, auth in rows}


async def greatest_numbers(db: Reader) -> tuple[int, int]:
    """The greatest `event_nid` in use and the greatest `stream_pos` that was given out."""
    nid = await db.value("SELECT MAX(event_nid) FROM events")
    pos = await db.value("SELECT MAX(last_pos) FROM room_heads")
    # Rooms that this server has only heard of have no heads.
    outside = await db.value(
        "SELECT MAX(e.pos) FROM rooms r LEFT JOIN room_heads h ON h.room_nid = r.room_nid"
        " JOIN events e ON e.room_nid = r.room_nid WHERE h.room_nid IS NULL"
    )
    reserved = await reserved_pos(db, "events")
    nid = max(nid or 0, await reserved_pos(db, "event_nids"))
    return nid, max(max(pos or 0, outside or 0) >> POS_BITS, reserved)


def encode_auth(event_nid: int, auth_nids: Iterable[int]) -> bytes:
    """Auth edges as LEB128 varints of the distance back to each auth event."""
    out = bytearray()
    for auth_nid in auth_nids:
        distance = event_nid - auth_nid
        while distance > 0x7F:
            out.append(distance & 0x7F | 0x80)
            distance >>= 7
        out.append(distance)
    return bytes(out)


def decode_auth(event_nid: int, auth: bytes) -> list[int]:
    """The inverse of `encode_auth`."""
    nids, distance, shift = [], 0, 0
    for byte in auth:
        distance |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            nids.append(event_nid - distance)
            distance = shift = 0
    return nids
