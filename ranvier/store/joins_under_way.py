"""Joins that were handed in at other servers and are not over: the table `joins_under_way`."""

from ranvier.db.engine import Reader, Row, Tx


async def begin(tx: Tx, user_id: str, room_id: str, server: str, now_ms: int) -> None:
    """The server is about to be handed a join. One statement."""
    await tx.run(
        "INSERT INTO joins_under_way (user_id, room_id, server_name, since_ts) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, room_id, server_name) DO NOTHING",
        user_id,
        room_id,
        server,
        now_ms,
    )


async def end(tx: Tx, user_id: str, room_id: str, server: str) -> None:
    """The server has not let the user in, or believes so no more. One statement."""
    await tx.run(
        "DELETE FROM joins_under_way WHERE user_id = $1 AND room_id = $2 AND server_name = $3",
        user_id,
        room_id,
        server,
    )


async def end_all(tx: Tx, user_id: str, room_id: str) -> None:
    """The user is in the room, whoever has let them in. One statement."""
    await tx.run("DELETE FROM joins_under_way WHERE user_id = $1 AND room_id = $2", user_id, room_id)


async def every(db: Reader) -> list[Row]:
    """`(user_id, room_id, server_name, since_ts)`. One statement."""
    return list(await db.all("SELECT user_id, room_id, server_name, since_ts FROM joins_under_way ORDER BY 1, 2, 3"))
