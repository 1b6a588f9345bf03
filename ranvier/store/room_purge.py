"""Deleting every row of a room, in portions, so that nobody waits long; each can be begun again.

First what shows the room to anybody, then its events, at last its row. Users' key backups stay: they are theirs. Reports
stay too: they outlive what they are about.
"""

from typing import Final

from ranvier.db.engine import Reader, Tx
from ranvier.store.reserved_positions import reserve_at_least
from ranvier.store.rooms import JOIN

PORTION: Final = 1000
"""Events of one transaction."""

_SHOWN_BY_NUMBER: Final = (
    "local_members", "room_aliases", "room_descriptions", "room_heads", "receipts", "unread", "backward_extremities",
    "waiting_redactions", "stripped_states", "partial_state_resyncs", "partial_state_members", "user_directory_rooms",
    "partial_state_missed_devices", "purged_history", "forgotten_rooms",
)  # fmt: skip
_SHOWN_BY_ID: Final = (
    "account_data", "inbound_events", "partial_state_rooms", "partial_state_events", "partial_state_rooms_servers",
)  # fmt: skip
_AFTER_EVENTS: Final = (
    "event_relations", "room_current", "member_changes", "room_state", "room_state_chunk",
    "events", "rooms",
)  # fmt: skip


async def hide(tx: Tx, room_nid: int, room_id: str, *, stream_pos: int) -> None:
    """Delete what shows the room. `stream_pos` is the position of the stream now: none up to it is given out again."""
    await reserve_at_least(tx, "events", stream_pos)
    await tx.run("UPDATE rooms SET is_public = 0 WHERE room_nid = $1", room_nid)
    for table in _SHOWN_BY_NUMBER:
        await tx.run(f"DELETE FROM {table} WHERE room_nid = $1", room_nid)
    for table in _SHOWN_BY_ID:
        await tx.run(f"DELETE FROM {table} WHERE room_id = $1", room_id)


async def delete_events(tx: Tx, room_nid: int) -> int:
    """Delete some of the events that have a place in the timeline; how many. Three statements."""
    rows = await tx.all(
        "SELECT event_nid FROM events WHERE room_nid = $1 AND pos IS NOT NULL ORDER BY pos LIMIT $2", room_nid, PORTION
    )
    nids = [row[0] for row in rows]
    if nids:
        await tx.run("DELETE FROM event_txns WHERE event_nid = ANY($1)", nids)
        await tx.run("DELETE FROM events WHERE event_nid = ANY($1)", nids)
    return len(nids)


async def finish(tx: Tx, room_nid: int) -> None:
    """Delete the rest."""
    for table in _AFTER_EVENTS:
        await tx.run_long(f"DELETE FROM {table} WHERE room_nid = $1", room_nid)


async def local_users(db: Reader, room_nid: int) -> dict[str, int]:
    """The users of this server who have to do with a room, and their memberships. One statement."""
    rows = await db.all(
        "SELECT k.state_key, m.membership FROM local_members m JOIN state_keys k ON k.key_id = m.user_nid"
        " WHERE m.room_nid = $1 ORDER BY m.membership = $2 DESC, k.state_key",
        room_nid,
        JOIN,
    )
    return {row[0]: row[1] for row in rows}
