"""What somebody at the door of a room that this server is not in was told about it."""

from ranvier.db.engine import Reader, Tx


async def save(tx: Tx, user_nid: int, room_nid: int, state: bytes) -> None:
    """Keep `state`, a JSON list of stripped events. One statement."""
    await tx.run(
        "INSERT INTO stripped_states (user_nid, room_nid, state) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_nid, room_nid) DO UPDATE SET state = excluded.state",
        user_nid,
        room_nid,
        state,
    )


async def find(db: Reader, user_nid: int, room_nid: int) -> bytes | None:
    """What was kept. One statement."""
    state = await db.value(
        "SELECT state FROM stripped_states WHERE user_nid = $1 AND room_nid = $2", user_nid, room_nid
    )
    return None if state is None else bytes(state)


async def delete(tx: Tx, user_nid: int, room_nid: int) -> None:
    """The user is not at the door any more. One statement."""
    await tx.run("DELETE FROM stripped_states WHERE user_nid = $1 AND room_nid = $2", user_nid, room_nid)
