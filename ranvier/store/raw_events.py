"""Events as bytes, for those who only pass them on."""

from collections.abc import Collection

from ranvier.db.engine import Reader


async def json_by_nid(db: Reader, event_nids: Collection[int]) -> dict[int, tuple[bytes, bool]]:
    """`event_nid -> (the event as it came, whether it has been redacted since)`. One statement."""
    rows = await db.all("SELECT event_nid, json, redacted_by FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return {nid: (bytes(json), redacted_by is not None) for nid, json, redacted_by in rows}
