"""Deleting messages of a room, in portions. State is never deleted: what is true in the room hangs on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.db.engine import Reader, Tx
from ranvier.proto.canonical_json import decode_lenient
from ranvier.store.events import FIRST_POS
from ranvier.store.reserved_positions import reserve_at_least

NOWHERE: Final = FIRST_POS
"""Where the messages stand that stand nowhere."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event that sets no state."""

    event_nid: int
    pos: int
    sender: str
    origin_server_ts: int
    relates_to: str | None
    """The id of the event that it says it relates to."""


async def messages(db: Reader, room_nid: int, *, after: int, before: int, limit: int) -> list[Message]:
    """Messages of the timeline with `after < pos < before`, oldest first. One statement."""
    rows = await db.all(
        "SELECT event_nid, pos, json FROM events WHERE room_nid = $1 AND pos > $2 AND pos < $3 AND key_id IS NULL"
        " AND state_before IS NOT NULL ORDER BY pos LIMIT $4",
        room_nid,
        after,
        before,
        limit,
    )
    return [_message(nid, pos, decode_lenient(json)) for nid, pos, json in rows]


async def unplaced(db: Reader, room_nid: int, *, after_nid: int, limit: int) -> list[Message]:
    """Messages that stand in nobody's timeline, because they were not accepted; in the order of their numbers.

    One statement.
    """
    rows = await db.all(
        "SELECT event_nid, json FROM events WHERE room_nid = $1 AND pos IS NULL AND key_id IS NULL AND event_nid > $2"
        " ORDER BY event_nid LIMIT $3",
        room_nid,
        after_nid,
        limit,
    )
    return [_message(nid, NOWHERE, decode_lenient(json)) for nid, json in rows]


def _message(event_nid: int, pos: int, pdu: dict[str, Any]) -> Message:
    relation = pdu["content"].get("m.relates_to")
    parent = relation.get("event_id") if isinstance(relation, dict) else None
    return Message(
        event_nid=event_nid,
        pos=pos,
        sender=pdu["sender"],
        origin_server_ts=pdu["origin_server_ts"],
        relates_to=parent if isinstance(parent, str) and "\0" not in parent else None,
    )


async def last_message(db: Reader, room_nid: int) -> int | None:
    """The number of the newest message that anybody sees. One statement."""
    nid: int | None = await db.value(
        "SELECT event_nid FROM events WHERE room_nid = $1 AND key_id IS NULL AND state_before IS NOT NULL"
        " AND status = 0 AND pos IS NOT NULL ORDER BY pos DESC LIMIT 1",
        room_nid,
    )
    return nid


async def waiting_redactions(db: Reader, room_nid: int) -> set[int]:
    """The numbers of redactions whose targets have not come yet. One statement."""
    rows = await db.all("SELECT redaction_nid FROM waiting_redactions WHERE room_nid = $1", room_nid)
    return {row[0] for row in rows}


async def close_gaps(tx: Tx, room_nid: int, *, upto: int) -> None:
    """Forget that something is missing before events up to a position: nobody is to fetch it. One statement."""
    await tx.run(
        "DELETE FROM backward_extremities WHERE room_nid = $1 AND child_nid IN"
        " (SELECT event_nid FROM events WHERE room_nid = $1 AND pos <= $2)",
        room_nid,
        upto,
    )


async def delete(tx: Tx, room_nid: int, found: Sequence[Message]) -> None:
    """Delete these events and what is kept of them. At most five statements."""
    nids = [message.event_nid for message in found]
    # What refers to them by their numbers must not refer to others one day.
    await reserve_at_least(tx, "event_nids", max(nids))
    related = [(room_nid, message.relates_to, message.pos) for message in found if message.relates_to is not None]
    await tx.many("DELETE FROM event_relations WHERE room_nid = $1 AND parent_id = $2 AND pos = $3", related)
    await tx.run("DELETE FROM backward_extremities WHERE room_nid = $1 AND child_nid = ANY($2)", room_nid, nids)
    await tx.run("DELETE FROM event_txns WHERE event_nid = ANY($1)", nids)
    await tx.run("DELETE FROM events WHERE event_nid = ANY($1)", nids)
