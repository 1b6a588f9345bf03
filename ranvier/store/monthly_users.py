"""Who has used this server in the last month, and when last. Read at the start; kept in memory from then on."""

from collections.abc import Iterable, Mapping

from ranvier.db.engine import Reader, Tx


async def all_of(db: Reader) -> dict[str, tuple[int, str | None]]:
    """By user: when they were last active, and the application service that they belong to."""
    rows = await db.all(
        "SELECT m.user_id, m.last_active_ts, u.appservice_id FROM monthly_active_users m JOIN users u ON u.name = m.user_id"
        " ORDER BY m.last_active_ts, m.user_id"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def save(tx: Tx, active: Mapping[str, int]) -> None:
    """Note when these were last active. One statement."""
    await tx.many(
        "INSERT INTO monthly_active_users (user_id, last_active_ts) VALUES ($1, $2)"
        " ON CONFLICT (user_id) DO UPDATE SET last_active_ts = excluded.last_active_ts",
        list(active.items()),
    )


async def delete(tx: Tx, user_ids: Iterable[str]) -> None:
    """These have not been active for a month, or have no place any more."""
    await tx.many("DELETE FROM monthly_active_users WHERE user_id = $1", [(user_id,) for user_id in user_ids])
