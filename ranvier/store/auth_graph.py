"""The graph of auth events as the store has it: edges are varints in the events' own rows."""

from collections.abc import Collection

from ranvier.db.engine import Reader
from ranvier.store.events import decode_auth


async def edges(db: Reader, event_nids: Collection[int]) -> list[tuple[int, int | None, list[int]]]:
    """`(event_nid, key_id, numbers of its auth events)` of these events; unknown ones are missing. One statement."""
    rows = await db.all("SELECT event_nid, key_id, auth FROM events WHERE event_nid = ANY($1)", list(event_nids))
    return [(nid, key_id, decode_auth(nid, auth)) for nid, key_id, auth in rows]


async def outlier_edges(db: Reader, room_nid: int, *, after: int, up_to: int) -> list[tuple[int, list[int]]]:
    """`(event_nid, numbers of its auth events)` of a room's accepted outliers with `after < event_nid <= up_to`, in order.

    One statement.
    """
    rows = await db.all(
        "SELECT event_nid, auth FROM events WHERE event_nid > $1 AND event_nid <= $2 AND room_nid = $3"
        " AND pos IS NULL AND state_before IS NULL AND status = 0 ORDER BY event_nid",
        after,
        up_to,
        room_nid,
    )
    return [(nid, decode_auth(nid, auth)) for nid, auth in rows]
