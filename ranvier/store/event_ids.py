"""The ids of events, where nothing else of them is needed."""

from collections.abc import Collection

from ranvier.db.engine import Reader


async def of(db: Reader, event_nids: Collection[int]) -> list[str]:
    """In any order; unknown numbers are left out. One statement."""
    rows = await db.all("SELECT event_id FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return [row[0] for row in rows]
