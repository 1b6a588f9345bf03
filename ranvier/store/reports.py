"""What users have reported as inappropriate. Spec: client-server API, "Reporting Content"."""

from ranvier.db.engine import Tx


async def insert_event(
    tx: Tx, *, received_ts: int, score: int | None, room_id: str, event_id: str, reporter: str, reason: str | None
) -> None:
    """Keep a report about an event. A reason is kept as UTF-8, for it may hold anything."""
    await tx.run(
        "INSERT INTO event_reports (received_ts, score, room_id, event_id, reporter, reason)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        received_ts,
        score,
        room_id,
        event_id,
        reporter,
        _bytes(reason),
    )


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
