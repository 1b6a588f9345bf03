"""Users who have been deactivated and are not out of all their rooms yet."""

from ranvier.db.engine import Reader, Tx


async def everyone(db: Reader) -> list[str]:
    """Their ids."""
    return [row[0] for row in await db.all("SELECT user_id FROM departing_users ORDER BY user_id")]


async def insert(tx: Tx, user_id: str) -> None:
    """The user is to leave every room."""
    await tx.run("INSERT INTO departing_users (user_id) VALUES ($1) ON CONFLICT DO NOTHING", user_id)


async def delete(tx: Tx, user_id: str) -> None:
    """They have, or are back."""
    await tx.run("DELETE FROM departing_users WHERE user_id = $1", user_id)
