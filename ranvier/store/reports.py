"""What users have reported as inappropriate. Spec: client-server API, "Reporting Content"."""

from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, Reader, Row, Tx

_EVENT_REPORT: Final = (
    "SELECT p.report_nid, p.received_ts, p.score, p.room_id, p.event_id, p.reporter, p.reason, p.sender, d.name,"
    " d.canonical_alias FROM event_reports p LEFT JOIN rooms r ON r.room_id = p.room_id"
    " LEFT JOIN room_descriptions d ON d.room_nid = r.room_nid"
)


@dataclass(frozen=True, slots=True)
class EventReport:
    """A report about an event, and what the room is called now."""

    report_nid: int
    received_ts: int
    score: int | None
    room_id: str
    event_id: str
    reporter: str
    reason: str | None
    sender: str | None
    """Of the event; `None` in reports from before it was kept."""
    room_name: str | None
    canonical_alias: str | None


async def insert_event(
    tx: Tx,
    *,
    received_ts: int,
    score: int | None,
    room_id: str,
    event_id: str,
    sender: str,
    reporter: str,
    reason: str | None,
) -> None:
    """Keep a report about an event. A reason is kept as UTF-8, for it may hold anything."""
    await tx.run(
        "INSERT INTO event_reports (received_ts, score, room_id, event_id, sender, reporter, reason)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        received_ts,
        score,
        room_id,
        event_id,
        sender,
        reporter,
        _bytes(reason),
    )


async def event_reports(
    db: Database,
    *,
    reporter: str | None,
    room_id: str | None,
    sender: str | None,
    offset: int,
    limit: int,
    newest_first: bool,
) -> tuple[list[EventReport], int]:
    """Reports in the order of their arrival, and how many there are in all. Two statements.

    `reporter` and `room_id` are parts of what they are to be; `sender` is the whole of it.
    """
    position = "instr" if db.dialect == "sqlite" else "strpos"
    conditions, args = ["1 = 1"], list[object]()
    for column, text in (("reporter", reporter), ("room_id", room_id)):
        if text is not None:
            args.append(text)
            conditions.append(f"{position}(p.{column}, ${len(args)}) > 0")
    if sender is not None:
        args.append(sender)
        conditions.append(f"p.sender = ${len(args)}")
    where = " AND ".join(conditions)
    total: int = await db.value(f"SELECT COUNT(*) FROM event_reports p WHERE {where}", *args)
    rows = await db.all(
        f"{_EVENT_REPORT} WHERE {where} ORDER BY p.report_nid {'DESC' if newest_first else 'ASC'}"
        f" LIMIT ${len(args) + 1} OFFSET ${len(args) + 2}",
        *args,
        limit,
        offset,
    )
    return [_event_report(row) for row in rows], total


async def event_report(db: Reader, report_nid: int) -> EventReport | None:
    """One report. One statement."""
    row = await db.one(f"{_EVENT_REPORT} WHERE p.report_nid = $1", report_nid)
    return None if row is None else _event_report(row)


async def delete_event_report(tx: Tx, report_nid: int) -> bool:
    """Whether there was such a report."""
    return await tx.run("DELETE FROM event_reports WHERE report_nid = $1", report_nid) > 0


def _event_report(row: Row) -> EventReport:
    nid, received_ts, score, room_id, event_id, reporter, reason, sender, name, alias = row
    text = None if reason is None else bytes(reason).decode(errors="replace")
    return EventReport(nid, received_ts, score, room_id, event_id, reporter, text, sender, name, alias)


async def insert_room(tx: Tx, *, received_ts: int, room_id: str, reporter: str, reason: str | None) -> None:
    """Keep a report about a room."""
    await tx.run(
        "INSERT INTO room_reports (received_ts, room_id, reporter, reason) VALUES ($1, $2, $3, $4)",
        received_ts,
        room_id,
        reporter,
        _bytes(reason),
    )


async def insert_user(tx: Tx, *, received_ts: int, user_id: str, reporter: str, reason: str | None) -> None:
    """Keep a report about a user."""
    await tx.run(
        "INSERT INTO user_reports (received_ts, user_id, reporter, reason) VALUES ($1, $2, $3, $4)",
        received_ts,
        user_id,
        reporter,
        _bytes(reason),
    )


def _bytes(reason: str | None) -> bytes | None:
    return None if reason is None else reason.encode()
