"""How far the rebuilding of what is made from other tables has come."""

from typing import Any

import msgspec

from ranvier.db.engine import Reader, Tx


async def unfinished(db: Reader) -> dict[str, dict[str, Any]]:
    """Progress by name. One statement."""
    rows = await db.all("SELECT update_name, progress FROM background_updates ORDER BY update_name")
    return {row[0]: msgspec.json.decode(row[1], type=dict[str, Any]) for row in rows}


async def save(tx: Tx, name: str, progress: dict[str, Any]) -> None:
    """Where to go on. One statement."""
    await tx.run(
        "INSERT INTO background_updates (update_name, progress) VALUES ($1, $2)"
        " ON CONFLICT (update_name) DO UPDATE SET progress = excluded.progress",
        name,
        msgspec.json.encode(progress),
    )


async def delete(tx: Tx, name: str) -> None:
    """It is done. One statement."""
    await tx.run("DELETE FROM background_updates WHERE update_name = $1", name)
