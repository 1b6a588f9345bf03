"""How often single users may do what is limited for all."""

from ranvier.db.engine import Reader, Tx


async def everything(db: Reader) -> list[tuple[str, int, int]]:
    """`(user_id, messages_per_second, burst_count)` of everybody who has limits of their own."""
    rows = await db.all("SELECT user_id, messages_per_second, burst_count FROM ratelimit_override")
    return [(row[0], row[1], row[2]) for row in rows]


async def save(tx: Tx, user_id: str, messages_per_second: int, burst_count: int) -> None:
    """Give a user limits of their own."""
    await tx.run(
        "INSERT INTO ratelimit_override (user_id, messages_per_second, burst_count) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id) DO UPDATE SET messages_per_second = excluded.messages_per_second,"
        " burst_count = excluded.burst_count",
        user_id,
        messages_per_second,
        burst_count,
    )


async def delete(tx: Tx, user_id: str) -> None:
    """The user is limited as everybody."""
    await tx.run("DELETE FROM ratelimit_override WHERE user_id = $1", user_id)
