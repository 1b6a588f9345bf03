"""The graph of auth events as the store has it: edges are varints in the events' own rows."""

from collections.abc import Collection

from ranvier.db.engine import Reader
from ranvier.store.events import decode_auth


async def edges(db: Reader, event_nids: Collection[int]) -> list[tuple[int, int | None, list[int]]]:
    """`(event_nid, key_id, numbers of its auth events)` of these events; unknown ones are missing. One statement."""
    rows = await db.all("SELECT event_nid, key_id, auth FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return [(nid, key_id, decode_auth(nid, auth)) for nid, key_id, auth in rows]
