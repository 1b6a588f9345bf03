"""The newest events of some rooms together, in the order in which they came."""

from collections.abc import Collection
from typing import Final

from ranvier.db.engine import Reader, Row
from ranvier.store.events import ACCEPTED, COLUMNS, POS_BITS

_LIVE: Final = (1 << POS_BITS) - 1


async def newest_rows(db: Reader, room_nids: Collection[int], *, before: int, after: int, limit: int) -> list[Row]:
    """Rows of `COLUMNS` of live events with `after < event_nid < before`, newest first.

    Cost: a look at each event of the server between these numbers, until `limit` have been found.
    """
    return await db.all(
        # The plus keeps SQLite from reading all events of the rooms to sort them.
        f"SELECT {COLUMNS} FROM events WHERE event_nid > $2 AND event_nid < $3 AND +room_nid = ANY($1)"
        f" AND status = {ACCEPTED} AND pos IS NOT NULL AND (pos & {_LIVE}) = 0 ORDER BY event_nid DESC LIMIT $4",
        list(room_nids),
        after,
        before,
        limit,
    )


async def greatest_nid(db: Reader) -> int:
    """The number of the event that came last."""
    return await db.value("SELECT MAX(event_nid) FROM events") or 0


async def rows_at(db: Reader, room_nid: int, positions: Collection[int]) -> list[Row]:
    """Rows of `COLUMNS` of a room's accepted events at these positions, in order."""
    return await db.all(
        f"SELECT {COLUMNS} FROM events WHERE room_nid = $1 AND pos = ANY($2) AND status = {ACCEPTED} ORDER BY pos",
        room_nid,
        list(positions),
    )
