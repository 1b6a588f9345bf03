"""Rooms that nobody of this server can enter."""

from ranvier.db.engine import Reader, Tx


async def all_blocked(db: Reader) -> dict[str, str]:
    """Who blocked them, by room id."""
    return {row[0]: row[1] for row in await db.all("SELECT room_id, user_id FROM blocked_rooms")}


async def block(tx: Tx, room_id: str, user_id: str) -> None:
    """Nobody can enter the room any more. Who blocked it first stays noted."""
    await tx.run(
        "INSERT INTO blocked_rooms (room_id, user_id) VALUES ($1, $2) ON CONFLICT (room_id) DO NOTHING",
        room_id,
        user_id,
    )


async def unblock(tx: Tx, room_id: str) -> None:
    """Whoever the room lets in may enter it again."""
    await tx.run("DELETE FROM blocked_rooms WHERE room_id = $1", room_id)
