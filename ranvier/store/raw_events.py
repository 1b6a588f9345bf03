"""Events as bytes, for those who only pass them on."""

from collections.abc import Collection

from ranvier.db.engine import Reader


async def json_by_nid(db: Reader, event_nids: Collection[int]) -> dict[int, tuple[bytes, bool]]:
    """`event_nid -> (the event as it came, whether it has been redacted since)`. One statement."""
    rows = await db.all("SELECT event_nid, json, redacted_by FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return {nid: (bytes(json), redacted_by is not None) for nid, json, redacted_by in rows}


async def naming(db: Reader, room_nid: int, words: bytes, *, after_nid: int, limit: int) -> list[tuple[int, bytes]]:
    """`(event_nid, event)` of a room's events in order of arrival; empty those that do not hold these words."""
    rows = await db.all(
        "SELECT event_nid, json FROM events WHERE room_nid = $1 AND event_nid > $2 ORDER BY event_nid LIMIT $3",
        room_nid,
        after_nid,
        limit,
    )
    return [(row[0], bytes(row[1]) if words in bytes(row[1]) else b"") for row in rows]
