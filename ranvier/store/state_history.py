"""The tables of the state history: one row a state, large ones in chunks.

Rows above about 1,000 bytes spill into whole pages of their own in SQLite's clustered tables; so no row holds more than
`CHUNK` entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.db.engine import Reader, Row, Tx

CHUNK: Final = 128


@dataclass(slots=True)
class StateRows:
    """One state, to be stored together with the event that needs it."""

    last_state_no: int
    states: list[tuple[int, int, int, int, int, bytes | None]] = field(default_factory=list)
    """`(room_nid, state_no, base_no, depth, fingerprint, delta)`."""
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
    """`(state_no, base_no, depth, fingerprint, delta)` of a state, its base, that one's base and so on. One statement."""
    return await db.all(
        "WITH RECURSIVE layers AS ("
        " SELECT state_no, base_no, depth, fingerprint, delta FROM room_state WHERE room_nid = $1 AND state_no = $2"
        " UNION ALL"
        " SELECT s.state_no, s.base_no, s.depth, s.fingerprint, s.delta"
        " FROM layers l JOIN room_state s ON s.room_nid = $1 AND s.state_no = l.base_no)"
        " SELECT state_no, base_no, depth, fingerprint, delta FROM layers ORDER BY depth DESC, state_no DESC",
        room_nid,
        state_no,
    )


async def chunks(db: Reader, room_nid: int, state_no: int) -> list[tuple[int, bytes]]:
    """`(first_key, delta)` of a large state, in order."""
    rows = await db.all(
        "SELECT first_key, delta FROM room_state_chunk WHERE room_nid = $1 AND state_no = $2 ORDER BY first_key",
        room_nid,
        state_no,
    )
    return [(row[0], row[1]) for row in rows]


async def greatest_state_no(db: Reader, room_nid: int) -> int:
    """The last number that was given out in a room, 0 if there is none."""
    return await db.value("SELECT MAX(state_no) FROM room_state WHERE room_nid = $1", room_nid) or 0


async def bases(db: Reader, room_nid: int) -> dict[int, int]:
    """`state_no -> base_no` of every state of a room."""
    rows = await db.all("SELECT state_no, base_no FROM room_state WHERE room_nid = $1", room_nid)
    return {row[0]: row[1] for row in rows}


async def delete(tx: Tx, room_nid: int, state_nos: Sequence[int]) -> None:
    """Remove states that nothing needs any more. Two statements."""
    await tx.run("DELETE FROM room_state WHERE room_nid = $1 AND state_no = ANY($2)", room_nid, list(state_nos))
    await tx.run("DELETE FROM room_state_chunk WHERE room_nid = $1 AND state_no = ANY($2)", room_nid, list(state_nos))
