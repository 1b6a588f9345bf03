"""Which identity servers know users by their addresses, so that they can be told to forget it."""

from ranvier.db.engine import Reader, Tx

Binding = tuple[str, str, str]
"""Medium, address, identity server."""


async def insert(tx: Tx, user_id: str, binding: Binding) -> None:
    """One more; the same again changes nothing."""
    await tx.run(
        "INSERT INTO threepid_bindings (user_id, medium, address, id_server) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        user_id,
        *binding,
    )


async def of_user(db: Reader, user_id: str) -> list[Binding]:
    """Those of a user, in order."""
    rows = await db.all(
        "SELECT medium, address, id_server FROM threepid_bindings WHERE user_id = $1"
        " ORDER BY medium, address, id_server",
        user_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def delete(tx: Tx, user_id: str, binding: Binding) -> None:
    """It has forgotten it."""
    await tx.run(
        "DELETE FROM threepid_bindings WHERE user_id = $1 AND medium = $2 AND address = $3 AND id_server = $4",
        user_id,
        *binding,
    )
