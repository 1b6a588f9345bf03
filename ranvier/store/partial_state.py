"""Rooms of which not every member is known yet, and what has been done about it (MSC3706, MSC3902)."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Tx

COUNTED: Final = 20_000
"""Members that are counted in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRow:
    """One partially joined room."""

    room_nid: int
    room_id: str
    join_event_id: str
    joined_via: str
    device_lists_pos: int
    started_ts: int
    tries: int
    next_try_ts: int
    last_error: str | None
    full_state_no: int | None
    members: int


async def every(db: Reader) -> list[PartialRow]:
    """All of them. One statement."""
    rows = await db.all(
        "SELECT r.room_nid, p.room_id, p.join_event_id, p.joined_via, p.device_lists_stream_id, s.started_ts, s.tries,"
        " s.next_try_ts, s.last_error, s.full_state_no, s.members FROM partial_state_rooms p"
        " JOIN rooms r ON r.room_id = p.room_id JOIN partial_state_resyncs s ON s.room_nid = r.room_nid"
    )
    return [
        PartialRow(
            room_nid=room_nid,
            room_id=room_id,
            join_event_id=join_event_id,
            joined_via=joined_via,
            device_lists_pos=device_lists_pos,
            started_ts=started_ts,
            tries=tries,
            next_try_ts=next_try_ts,
            last_error=last_error,
            full_state_no=full_state_no,
            members=members,
        )
        for (
            room_nid,
            room_id,
            join_event_id,
            joined_via,
            device_lists_pos,
            started_ts,
            tries,
            next_try_ts,
            last_error,
            full_state_no,
            members,
        ) in rows
    ]


async def servers(db: Reader) -> dict[str, list[str]]:
    """By room id the servers that were told to be in it. One statement."""
    found: dict[str, list[str]] = {}
    for room_id, server in await db.all("SELECT room_id, server_name FROM partial_state_rooms_servers"):
        found.setdefault(room_id, []).append(server)
    return found


async def events(db: Reader) -> dict[str, set[int]]:
    """By room id the numbers of the events whose state is partial. One statement."""
    found: dict[str, set[int]] = {}
    for room_id, nid in await db.all(
        "SELECT p.room_id, e.event_nid FROM partial_state_events p JOIN events e ON e.event_id = p.event_id"
    ):
        found.setdefault(room_id, set()).add(nid)
    return found


async def begin(tx: Tx, row: PartialRow, in_room: Collection[str]) -> None:
    """A room is partially joined from now on; the join is its first event with partial state. Ten statements."""
    await clear(tx, row.room_nid, row.room_id)
    await tx.run("DELETE FROM partial_state_rooms_servers WHERE room_id = $1", row.room_id)
    await tx.run(
        "INSERT INTO partial_state_rooms (room_id, device_lists_stream_id, join_event_id, joined_via)"
        " VALUES ($1, $2, $3, $4)",
        row.room_id,
        row.device_lists_pos,
        row.join_event_id,
        row.joined_via,
    )
    await tx.many(
        "INSERT INTO partial_state_rooms_servers (room_id, server_name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(row.room_id, server) for server in in_room],
    )
    await insert_events(tx, [(row.room_id, row.join_event_id)])
    await tx.run(
        "INSERT INTO partial_state_resyncs (room_nid, started_ts) VALUES ($1, $2)", row.room_nid, row.started_ts
    )


async def insert_events(tx: Tx, rows: Sequence[tuple[str, str]]) -> None:
    """`(room_id, event_id)`: these have partial state. One statement."""
    await tx.many("INSERT INTO partial_state_events (room_id, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", rows)


async def delete_events(tx: Tx, event_ids: Collection[str]) -> None:
    """These have full state. One statement."""
    await tx.run("DELETE FROM partial_state_events WHERE event_id = ANY($1)", list(event_ids))


async def save_try(tx: Tx, room_nid: int, *, tries: int, next_try_ts: int, error: str | None) -> None:
    """What has become of an attempt. One statement."""
    await tx.run(
        "UPDATE partial_state_resyncs SET tries = $2, next_try_ts = $3, last_error = $4 WHERE room_nid = $1",
        room_nid,
        tries,
        next_try_ts,
        error,
    )


async def save_full_state(tx: Tx, room_nid: int, state_no: int, members: int) -> None:
    """The full state before the join is here. One statement."""
    await tx.run(
        "UPDATE partial_state_resyncs SET full_state_no = $2, members = $3 WHERE room_nid = $1",
        room_nid,
        state_no,
        members,
    )


async def insert_members(tx: Tx, room_nid: int, rows: Iterable[tuple[int, int, int]]) -> None:
    """`(key_id, event_nid, membership)` of the full state before the join. One statement."""
    await tx.many(
        "INSERT INTO partial_state_members (room_nid, key_id, event_nid, membership) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (room_nid, key_id)"
        " DO UPDATE SET event_nid = excluded.event_nid, membership = excluded.membership",
        [(room_nid, key_id, event_nid, membership) for key_id, event_nid, membership in rows],
    )


async def delete_members(tx: Tx, room_nid: int) -> None:
    """Begin anew with the members. One statement."""
    await tx.run_long("DELETE FROM partial_state_members WHERE room_nid = $1", room_nid)


async def count_members(db: Reader, room_nid: int) -> tuple[int, int]:
    """How many of the full state's members are joined, and invited. A statement for every `COUNTED` members, and one."""
    joined = invited = 0
    last: int | None = 0
    while last is not None:
        row = await db.one(
            "SELECT SUM(CASE WHEN membership = 1 THEN 1 ELSE 0 END), SUM(CASE WHEN membership = 2 THEN 1 ELSE 0 END),"
            " MAX(key_id) FROM (SELECT key_id, membership FROM partial_state_members"
            " WHERE room_nid = $1 AND key_id > $2 ORDER BY key_id LIMIT $3) portion",
            room_nid,
            last,
            COUNTED,
        )
        last = None if row is None else row[2]
        if row is not None and last is not None:
            joined, invited = joined + row[0], invited + row[1]
            await asyncio.sleep(0)
    return joined, invited


async def memberships(db: Reader, room_nid: int, key_ids: Collection[int]) -> dict[int, int]:
    """By user number their membership in the full state before the join. One statement."""
    rows = await db.all(
        "SELECT key_id, membership FROM partial_state_members WHERE room_nid = $1 AND key_id = ANY($2)",
        room_nid,
        list(key_ids),
    )
    return {row[0]: row[1] for row in rows}


async def make_current(tx: Tx, room_nid: int, *, but: Collection[int]) -> None:
    """The members at the join become those of the room, `but` for those with these numbers. Two statements."""
    await tx.run("DELETE FROM partial_state_members WHERE room_nid = $1 AND key_id = ANY($2)", room_nid, list(but))
    await tx.run_long(
        "INSERT INTO room_current (room_nid, key_id, event_nid, membership)"
        " SELECT room_nid, key_id, event_nid, membership FROM partial_state_members WHERE room_nid = $1"
        " ON CONFLICT (room_nid, key_id)"
        " DO UPDATE SET event_nid = excluded.event_nid, membership = excluded.membership",
        room_nid,
    )


async def finish(tx: Tx, room_nid: int, room_id: str, *, now_ms: int, pos: int, but: Collection[str]) -> None:
    """The room is full since position `pos`. Events `but` stay marked. Six statements."""
    await tx.run(
        "INSERT INTO partial_state_missed_devices (room_nid, join_event_id, device_lists_pos)"
        " SELECT $1, join_event_id, device_lists_stream_id FROM partial_state_rooms WHERE room_id = $2"
        " ON CONFLICT (room_nid) DO UPDATE"
        " SET join_event_id = excluded.join_event_id, device_lists_pos = excluded.device_lists_pos",
        room_nid,
        room_id,
    )
    await _clear_room(tx, room_nid, room_id)
    await tx.run("DELETE FROM partial_state_rooms_servers WHERE room_id = $1", room_id)
    await tx.run("DELETE FROM partial_state_events WHERE room_id = $1 AND event_id <> ALL($2)", room_id, list(but))
    await tx.run(
        "UPDATE partial_state_resyncs SET done_ts = $2, done_pos = $3, last_error = NULL WHERE room_nid = $1",
        room_nid,
        now_ms,
        pos,
    )


async def clear(tx: Tx, room_nid: int, room_id: str) -> None:
    """Nobody is waiting for the room's full state any more. Three statements.

    Its events stay marked, because whoever comes back must not build on their states; and so do its servers, which is
    where to come back.
    """
    await _clear_room(tx, room_nid, room_id)
    await tx.run("DELETE FROM partial_state_resyncs WHERE room_nid = $1", room_nid)


async def rooms_with_events(db: Reader) -> dict[int, str]:
    """The numbers and ids of the rooms that have any event with partial state. One statement."""
    rows = await db.all(
        "SELECT room_nid, room_id FROM rooms WHERE room_id IN (SELECT DISTINCT room_id FROM partial_state_events)"
    )
    return {row[0]: row[1] for row in rows}


async def left_over(db: Reader, room_id: str) -> set[int]:
    """The numbers of a room's events whose state is partial. One statement."""
    rows = await db.all(
        "SELECT e.event_nid FROM partial_state_events p JOIN events e ON e.event_id = p.event_id WHERE p.room_id = $1",
        room_id,
    )
    return {row[0] for row in rows}


async def completed(db: Reader) -> dict[int, int]:
    """By room the stream position at which it became full, of those that were partially joined. One statement."""
    rows = await db.all("SELECT room_nid, done_pos FROM partial_state_resyncs WHERE done_pos IS NOT NULL")
    return {row[0]: row[1] for row in rows}


async def _clear_room(tx: Tx, room_nid: int, room_id: str) -> None:
    await tx.run("DELETE FROM partial_state_rooms WHERE room_id = $1", room_id)
    await tx.run_long("DELETE FROM partial_state_members WHERE room_nid = $1", room_nid)


@dataclass(frozen=True, slots=True)
class MissedDevices:
    """A room that has become full, and whose servers may not all know how devices have changed since the join."""

    room_nid: int
    join_event_id: str
    device_lists_pos: int
    full_state_no: int
    done_pos: int


async def missed_devices(db: Reader) -> list[MissedDevices]:
    """All of them. One statement."""
    rows = await db.all(
        "SELECT m.room_nid, m.join_event_id, m.device_lists_pos, r.full_state_no, r.done_pos"
        " FROM partial_state_missed_devices m JOIN partial_state_resyncs r ON r.room_nid = m.room_nid"
        " WHERE r.done_pos IS NOT NULL ORDER BY m.room_nid"
    )
    return [
        MissedDevices(
            room_nid=room_nid,
            join_event_id=join_event_id,
            device_lists_pos=device_lists_pos,
            full_state_no=full_state_no or 0,
            done_pos=done_pos,
        )
        for room_nid, join_event_id, device_lists_pos, full_state_no, done_pos in rows
    ]


async def forget_missed_devices(tx: Tx, room_nid: int) -> None:
    """Everybody in this room is told, or will be. One statement."""
    await tx.run("DELETE FROM partial_state_missed_devices WHERE room_nid = $1", room_nid)
