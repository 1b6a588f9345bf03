"""The tables of the state history: one row a state, large ones in chunks. What the bytes mean, `state.codec` knows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ranvier.db.engine import Reader, Row, Tx

_LAYERS = (
    " UNION ALL SELECT s.state_no, s.base_no, s.depth, s.fingerprint, s.delta"
    " FROM layers l JOIN room_state s ON s.room_nid = $1 AND s.state_no = l.base_no)"
    " SELECT state_no, base_no, depth, fingerprint, delta FROM layers ORDER BY depth DESC"
)


@dataclass(slots=True)
class StateRows:
    """A new state, to be stored together with the event that needs it."""

    last_state_no: int
    states: list[tuple[int, int, int, int, int, bytes]] = field(default_factory=list)
    """`(room_nid, state_no, base_no, depth, fingerprint, delta)`; none if the state turned out to be a known one."""
    chunks: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    """`(room_nid, state_no, first_key, delta)`."""


async def insert(tx: Tx, rows: Sequence[StateRows]) -> None:
    """Store states. One statement, two if one of them is large."""
    await tx.many(
        "INSERT INTO room_state (room_nid, state_no, base_no, depth, fingerprint, delta)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        [state for row in rows for state in row.states],
    )
    await tx.many(
        "INSERT INTO room_state_chunk (room_nid, state_no, first_key, delta) VALUES ($1, $2, $3, $4)",
        [chunk for row in rows for chunk in row.chunks],
    )


async def stack(db: Reader, room_nid: int, state_no: int) -> list[Row]:
    """`(state_no, base_no, depth, fingerprint, delta)` of a state, its base, the base's base, ... One statement."""
    return await db.all(
        "WITH RECURSIVE layers AS (SELECT state_no, base_no, depth, fingerprint, delta FROM room_state"
        f" WHERE room_nid = $1 AND state_no = $2{_LAYERS}",
        room_nid,
        state_no,
    )


async def newest_stack(db: Reader, room_nid: int) -> list[Row]:
    """The `stack` of the room's newest state, empty if it has none. One statement."""
    return await db.all(
        "WITH RECURSIVE layers AS (SELECT state_no, base_no, depth, fingerprint, delta FROM room_state"
        " WHERE room_nid = $1 AND state_no = (SELECT MAX(state_no) FROM room_state WHERE room_nid = $1)"
        f"{_LAYERS}",
        room_nid,
    )


async def newest_stacks(db: Reader, room_nids: Collection[int]) -> dict[int, list[Row]]:
    """The `stack` of each room's newest state, of those that have one. One statement."""
    rows = await db.all(
        "WITH RECURSIVE layers AS (SELECT s.room_nid, s.state_no, s.base_no, s.depth, s.fingerprint, s.delta"
        " FROM rooms r CROSS JOIN room_state s WHERE r.room_nid = ANY($1) AND s.room_nid = r.room_nid"
        " AND s.state_no = (SELECT MAX(n.state_no) FROM room_state n WHERE n.room_nid = r.room_nid)"
        " UNION ALL SELECT s.room_nid, s.state_no, s.base_no, s.depth, s.fingerprint, s.delta"
        " FROM layers l JOIN room_state s ON s.room_nid = l.room_nid AND s.state_no = l.base_no)"
        " SELECT room_nid, state_no, base_no, depth, fingerprint, delta FROM layers ORDER BY depth DESC",
        list(room_nids),
    )
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


async def chunks(db: Reader, room_nid: int, state_nos: Collection[int], first_keys: Collection[int]) -> list[Row]:
    """`(state_no, first_key, delta)` of the chunks of these states that begin with these keys. One statement."""
    return await db.all(
        "SELECT state_no, first_key, delta FROM room_state_chunk"
        " WHERE room_nid = $1 AND state_no = ANY($2) AND first_key = ANY($3)",
        room_nid,
        list(state_nos),
        list(first_keys),
    )


async def chunks_below(db: Reader, room_nid: int, state_nos: Collection[int], limit: int) -> list[Row]:
    """`(state_no, first_key, delta)` of the chunks of these states that begin below a key. One statement."""
    return await db.all(
        "SELECT state_no, first_key, delta FROM room_state_chunk"
        " WHERE room_nid = $1 AND state_no = ANY($2) AND first_key < $3",
        room_nid,
        list(state_nos),
        limit,
    )


async def bases(db: Reader, room_nid: int) -> dict[int, int]:
    """`state_no -> base_no` of every state of a room."""
    rows = await db.all("SELECT state_no, base_no FROM room_state WHERE room_nid = $1", room_nid)
    return {row[0]: row[1] for row in rows}


async def used(db: Reader, room_nid: int) -> set[int]:
    """The states that a room's events and its head name. Reads through all of the room's events."""
    rows = await db.all(
        "SELECT state_before FROM events WHERE room_nid = $1 AND state_before IS NOT NULL"
        " UNION SELECT state_after FROM events WHERE room_nid = $1 AND state_after IS NOT NULL"
        " UNION SELECT head_before FROM events WHERE room_nid = $1 AND head_before IS NOT NULL"
        " UNION SELECT state_no FROM room_heads WHERE room_nid = $1",
        room_nid,
    )
    return {row[0] for row in rows}


async def delete(tx: Tx, room_nid: int, state_nos: Collection[int]) -> None:
    """Remove states; none that stays may be based on one of them. Two statements."""
    numbers = list(state_nos)
    await tx.run("DELETE FROM room_state WHERE room_nid = $1 AND state_no = ANY($2)", room_nid, numbers)
    await tx.run("DELETE FROM room_state_chunk WHERE room_nid = $1 AND state_no = ANY($2)", room_nid, numbers)


async def delete_room(tx: Tx, room_nid: int) -> None:
    """Remove every state of a room. Two statements."""
    await tx.run("DELETE FROM room_state WHERE room_nid = $1", room_nid)
    await tx.run("DELETE FROM room_state_chunk WHERE room_nid = $1", room_nid)
