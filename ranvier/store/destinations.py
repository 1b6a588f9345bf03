"""Other servers: when they were reached, and what has been delivered to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ranvier.db.engine import Database, Reader, Tx
from ranvier.store.events import POS_BITS
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import MEMBER_KEYS

Order = Literal["destination", "retry_last_ts", "retry_interval", "failure_ts", "last_successful_pos"]

_COLUMNS: Final = "destination, retry_last_ts, retry_interval, failure_ts, last_successful_pos, acked_pos"


@dataclass(frozen=True, slots=True)
class Destination:
    """One row."""

    destination: str
    retry_last_ts: int
    retry_interval_ms: int
    failure_ts: int | None
    last_successful_pos: int | None
    acked_pos: int | None


async def failing(db: Reader) -> list[Destination]:
    """Those that could not be reached lately. One statement."""
    rows = await db.all(f"SELECT {_COLUMNS} FROM destinations WHERE retry_interval > 0")
    return [Destination(*row) for row in rows]


async def behind(db: Reader) -> list[Destination]:
    """Those that something has not been delivered to. One statement."""
    rows = await db.all(f"SELECT {_COLUMNS} FROM destinations WHERE acked_pos IS NOT NULL")
    return [Destination(*row) for row in rows]


async def one(db: Reader, destination: str) -> Destination | None:
    """One row."""
    row = await db.one(f"SELECT {_COLUMNS} FROM destinations WHERE destination = $1", destination)
    return None if row is None else Destination(*row)


async def page(
    db: Database, *, order: Order, offset: int, limit: int, backwards: bool, name: str = ""
) -> tuple[list[Destination], int]:
    """Rows in this order, those with the same value by name; and how many there are in all. Two statements.

    `name` is a part of the server's name.
    """
    direction = "DESC" if backwards else "ASC"
    position = "instr" if db.dialect == "sqlite" else "strpos"
    where = f"$1 = '' OR {position}(destination, $1) > 0"
    rows = await db.all(
        f"SELECT {_COLUMNS} FROM destinations WHERE {where} ORDER BY {order} {direction} NULLS LAST, destination ASC"
        " LIMIT $2 OFFSET $3",
        name,
        limit,
        offset,
    )
    total: int = await db.value(f"SELECT COUNT(*) FROM destinations WHERE {where}", name)
    return [Destination(*row) for row in rows], total


async def save_health(tx: Tx, rows: Sequence[tuple[str, int, int, int | None]]) -> None:
    """`(destination, retry_last_ts, retry_interval, failure_ts)`. One statement."""
    await tx.many(
        "INSERT INTO destinations (destination, retry_last_ts, retry_interval, failure_ts) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (destination) DO UPDATE SET retry_last_ts = excluded.retry_last_ts,"
        " retry_interval = excluded.retry_interval, failure_ts = excluded.failure_ts",
        rows,
    )


async def save_progress(tx: Tx, rows: Sequence[tuple[str, int | None, int | None]]) -> None:
    """`(destination, last_successful_pos, acked_pos)`; a `last_successful_pos` that is not known stays. One statement."""
    await tx.many(
        "INSERT INTO destinations (destination, last_successful_pos, acked_pos) VALUES ($1, $2, $3)"
        " ON CONFLICT (destination) DO UPDATE SET"
        " last_successful_pos = COALESCE(excluded.last_successful_pos, destinations.last_successful_pos),"
        " acked_pos = excluded.acked_pos",
        rows,
    )


async def sent_pos(db: Reader) -> int | None:
    """Up to here everything was delivered to everyone who is not `behind`; `None` if nothing was ever sent."""
    pos: int | None = await db.value("SELECT pos FROM federation_sent WHERE one = 1")
    return pos


async def save_sent_pos(tx: Tx, pos: int) -> None:
    """Move `sent_pos`."""
    await tx.run(
        "INSERT INTO federation_sent (one, pos) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET pos = excluded.pos",
        pos,
    )


async def rooms_after(db: Reader, pos: int) -> list[int]:
    """Numbers of rooms in which something happened after this place in their timelines. One statement."""
    return [row[0] for row in await db.all("SELECT room_nid FROM room_heads WHERE last_pos > $1", pos)]


async def users_of(db: Database, destination: str) -> list[int]:
    """Numbers of all users of a server that any room has known. One statement, and a slow one: it looks at all users."""
    position = "instr" if db.dialect == "sqlite" else "strpos"
    rows = await db.all(
        f"SELECT key_id FROM state_keys WHERE key_id >= $1 AND substr(state_key, {position}(state_key, ':') + 1) = $2",
        MEMBER_KEYS,
        destination,
    )
    return [row[0] for row in rows]


async def rooms_with_any(db: Reader, room_nids: Collection[int], user_nids: Collection[int]) -> list[int]:
    """Those of the rooms that have a member entry, of whatever kind, of one of the users. One statement."""
    rows = await db.all(
        "SELECT DISTINCT room_nid FROM room_current WHERE room_nid = ANY($1) AND key_id = ANY($2)",
        list(room_nids),
        list(user_nids),
    )
    return [row[0] for row in rows]


async def rooms_joined_by(db: Reader, room_nids: Collection[int], user_nids: Collection[int]) -> list[int]:
    """Those of the rooms that one of the users is joined to. One statement."""
    rows = await db.all(
        "SELECT DISTINCT room_nid FROM room_current WHERE room_nid = ANY($1) AND key_id = ANY($2) AND membership = $3",
        list(room_nids),
        list(user_nids),
        JOIN,
    )
    return [row[0] for row in rows]


async def last_positions(db: Reader, room_nids: Collection[int]) -> dict[int, int]:
    """The stream positions of the last events of rooms. One statement."""
    rows = await db.all("SELECT room_nid, last_pos FROM room_heads WHERE room_nid = ANY($1)", list(room_nids))
    return {room_nid: max(0, last_pos) >> POS_BITS for room_nid, last_pos in rows}
