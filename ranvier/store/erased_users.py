"""Users whose words are to be forgotten, and since when."""

from ranvier.db.engine import Reader, Tx


async def everyone(db: Reader) -> dict[str, int]:
    """For each erased user the position of the event stream at their request."""
    return {row[0]: row[1] for row in await db.all("SELECT user_id, stream_pos FROM erased_users")}


async def pos_of(db: Reader, user_id: str) -> int | None:
    """The position of the event stream at the user's request; `None` if there was none."""
    pos: int | None = await db.value("SELECT stream_pos FROM erased_users WHERE user_id = $1", user_id)
    return pos


async def insert(tx: Tx, user_id: str, stream_pos: int) -> None:
    """The user wants to be forgotten; a second request changes nothing."""
    await tx.run(
        "INSERT INTO erased_users (user_id, stream_pos) VALUES ($1, $2) ON CONFLICT DO NOTHING", user_id, stream_pos
    )


async def delete(tx: Tx, user_id: str) -> None:
    """The user is back."""
    await tx.run("DELETE FROM erased_users WHERE user_id = $1", user_id)
