"""Who is told of users' notifications."""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Row, Tx

EMAIL = "email"
"""The kind that tells by mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PusherRow:
    """One pusher."""

    user_id: str
    app_id: str
    pushkey: str
    kind: str
    app_display_name: str
    device_display_name: str
    profile_tag: str
    lang: str
    data: bytes
    """JSON."""
    created_ts: int
    told_upto: int


@dataclass(frozen=True, slots=True)
class MailedRoom:
    """When a room was last told of, and how long there is to be silence then."""

    sent_ts: int
    silence_ms: int


_COLUMNS = "user_id, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data, created_ts, told_upto"


async def of_user(db: Reader, user_id: str) -> list[PusherRow]:
    """Those of a user, in order."""
    rows = await db.all(f"SELECT {_COLUMNS} FROM pushers WHERE user_id = $1 ORDER BY app_id, pushkey", user_id)
    return [_row(row) for row in rows]


async def save(tx: Tx, row: PusherRow) -> None:
    """A new pusher, or another form of one that is there; what it has told stays told."""
    await tx.run(
        f"INSERT INTO pushers ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET kind = excluded.kind,"
        " app_display_name = excluded.app_display_name, device_display_name = excluded.device_display_name,"
        " profile_tag = excluded.profile_tag, lang = excluded.lang, data = excluded.data",
        row.user_id,
        row.app_id,
        row.pushkey,
        row.kind,
        row.app_display_name,
        row.device_display_name,
        row.profile_tag,
        row.lang,
        row.data,
        row.created_ts,
        row.told_upto,
    )


async def delete(tx: Tx, user_id: str, app_id: str, pushkey: str) -> None:
    """It tells nobody any more."""
    await tx.run("DELETE FROM pushers WHERE user_id = $1 AND app_id = $2 AND pushkey = $3", user_id, app_id, pushkey)
    await tx.run("DELETE FROM mailed_rooms WHERE user_id = $1 AND pushkey = $2", user_id, pushkey)


async def delete_of_others(tx: Tx, user_id: str, app_id: str, pushkey: str) -> None:
    """Nobody but this user is told there."""
    await tx.run("DELETE FROM pushers WHERE pushkey = $3 AND app_id = $2 AND user_id <> $1", user_id, app_id, pushkey)


async def delete_without_address(tx: Tx, user_id: str) -> None:
    """Nobody is written to at an address that is not theirs any more."""
    for table, condition in (("pushers", f"AND pushers.kind = '{EMAIL}'"), ("mailed_rooms", "")):
        await tx.run(
            f"DELETE FROM {table} WHERE user_id = $1 {condition} AND NOT EXISTS (SELECT 1 FROM user_threepids t"
            f" WHERE t.user_id = {table}.user_id AND t.medium = 'email' AND t.address = {table}.pushkey)",
            user_id,
        )


async def told(tx: Tx, pusher: PusherRow, upto: int, rooms: Sequence[tuple[int, MailedRoom]]) -> None:
    """A mail has gone out."""
    await tx.run(
        "UPDATE pushers SET told_upto = $4 WHERE user_id = $1 AND app_id = $2 AND pushkey = $3 AND told_upto < $4",
        pusher.user_id,
        pusher.app_id,
        pusher.pushkey,
        upto,
    )
    await tx.many(
        "INSERT INTO mailed_rooms (user_id, pushkey, room_nid, sent_ts, silence_ms) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id, pushkey, room_nid)"
        " DO UPDATE SET sent_ts = excluded.sent_ts, silence_ms = excluded.silence_ms",
        [(pusher.user_id, pusher.pushkey, nid, mailed.sent_ts, mailed.silence_ms) for nid, mailed in rooms],
    )


async def mailed_rooms(db: Reader, user_id: str, pushkey: str) -> dict[int, MailedRoom]:
    """When each room was last told of."""
    rows = await db.all(
        "SELECT room_nid, sent_ts, silence_ms FROM mailed_rooms WHERE user_id = $1 AND pushkey = $2", user_id, pushkey
    )
    return {row[0]: MailedRoom(row[1], row[2]) for row in rows}


async def readers(db: Reader) -> list[tuple[str, int | None]]:
    """`(user_id, room_nid)` of everybody who is told by mail, for each room they are in; None for who is in none."""
    rows = await db.all(
        "SELECT p.user_id, l.room_nid FROM (SELECT DISTINCT user_id FROM pushers WHERE kind = $1) p"
        " LEFT JOIN state_keys k ON k.state_key = p.user_id AND k.type = 'm.room.member'"
        " LEFT JOIN local_members l ON l.user_nid = k.key_id AND l.membership = 1",
        EMAIL,
    )
    return [(row[0], row[1]) for row in rows]


def _row(row: Row) -> PusherRow:
    return PusherRow(
        user_id=row[0],
        app_id=row[1],
        pushkey=row[2],
        kind=row[3],
        app_display_name=row[4],
        device_display_name=row[5],
        profile_tag=row[6],
        lang=row[7],
        data=bytes(row[8]),
        created_ts=row[9],
        told_upto=row[10],
    )
