"""The user directory: who can be found, by what, and by whom."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx
from ranvier.store.events import COLUMNS
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import MEMBER_KEYS

_JOINED: Final = f"c.membership = {JOIN}"
"""Written out: only so is the index used that holds nothing else."""
_NID: Final = "(SELECT k.key_id FROM state_keys k WHERE k.state_key = d.user_id AND k.type = 'm.room.member')"
_IS_SOMEWHERE: Final = f"EXISTS (SELECT 1 FROM room_current c WHERE c.key_id = {_NID} AND {_JOINED})"
_IS_MET: Final = (
    f"EXISTS (SELECT 1 FROM room_current c WHERE c.key_id = {_NID} AND {_JOINED} AND ("
    f"EXISTS (SELECT 1 FROM local_members m WHERE m.user_nid = $2 AND m.room_nid = c.room_nid AND m.membership = {JOIN})"
    " OR (EXISTS (SELECT 1 FROM room_descriptions r WHERE r.room_nid = c.room_nid"
    " AND (r.join_rule = 'public' OR r.history_visibility = 'world_readable'))"
    f" AND EXISTS (SELECT 1 FROM local_members h WHERE h.room_nid = c.room_nid AND h.membership = {JOIN}))))"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody who can be found."""

    user_id: str
    is_local: bool
    display_name: str | None
    avatar_url: str | None
    words: str


def _listed(row: Row) -> Listed:
    return Listed(row[0], bool(row[1]), row[2], row[3], row[4])


async def candidates(
    db: Reader, *, is_local: bool, first: bytes, end: bytes, after: tuple[bytes, str], limit: int
) -> list[tuple[bytes, str]]:
    """`(token, user_id)` with `first <= token < end`, in order, after a pair. One statement."""
    rows = await db.all(
        "SELECT token, user_id FROM user_directory_tokens WHERE is_local = $1 AND token >= $2 AND token < $3"
        " AND (token, user_id) > ($4, $5) ORDER BY token, user_id LIMIT $6",
        int(is_local),
        max(first, after[0]),
        end,
        after[0],
        after[1],
        limit,
    )
    return [(bytes(row[0]), row[1]) for row in rows]


async def visible(
    db: Reader, user_ids: Collection[str], *, asker_nid: int, everybody: bool, show_locked: bool
) -> list[Listed]:
    """Those whom somebody may find. One statement.

    `everybody`: all who are known here; else who shares a room with the asker, or is in a public one. Accounts that are
    closed, of application services or for support are found by nobody.
    """
    is_local = (
        "EXISTS (SELECT 1 FROM users u WHERE u.name = d.user_id AND u.deactivated = 0 AND u.appservice_id IS NULL"
        " AND (u.user_type IS NULL OR u.user_type <> 'support')"
        f"{'' if show_locked else ' AND u.locked = 0'})"
    )
    is_seen = f"(d.is_local = 1 OR {_IS_SOMEWHERE})" if everybody else _IS_MET
    rows = await db.all(
        "SELECT d.user_id, d.is_local, d.display_name, d.avatar_url, d.words FROM user_directory d"
        f" WHERE d.user_id = ANY($1) AND (d.is_local = 0 OR {is_local}) AND {is_seen}",
        list(user_ids),
        *(() if everybody else (asker_nid,)),
    )
    return [_listed(row) for row in rows]


async def of_users(db: Reader, user_ids: Collection[str]) -> dict[str, Listed]:
    """What the directory says of them. One statement."""
    rows = await db.all(
        "SELECT user_id, is_local, display_name, avatar_url, words FROM user_directory WHERE user_id = ANY($1)",
        list(user_ids),
    )
    return {row[0]: _listed(row) for row in rows}


async def save(tx: Tx, listed: Sequence[tuple[Listed, Collection[bytes]]]) -> None:
    """List people, each with the tokens that they are found by. Three statements."""
    await tx.run("DELETE FROM user_directory_tokens WHERE user_id = ANY($1)", [one.user_id for one, _ in listed])
    await tx.many(
        "INSERT INTO user_directory (user_id, is_local, display_name, avatar_url, words) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id) DO UPDATE SET is_local = excluded.is_local, display_name = excluded.display_name,"
        " avatar_url = excluded.avatar_url, words = excluded.words",
        [(one.user_id, int(one.is_local), one.display_name, one.avatar_url, one.words) for one, _ in listed],
    )
    await tx.many(
        "INSERT INTO user_directory_tokens (is_local, token, user_id) VALUES ($1, $2, $3)",
        [(int(one.is_local), token, one.user_id) for one, found in listed for token in sorted(found)],
    )


async def delete(tx: Tx, user_ids: Collection[str]) -> None:
    """Nobody finds them any more. Two statements."""
    await tx.run("DELETE FROM user_directory_tokens WHERE user_id = ANY($1)", list(user_ids))
    await tx.run("DELETE FROM user_directory WHERE user_id = ANY($1)", list(user_ids))


async def changed_profiles(db: Reader, limit: int) -> list[tuple[str, bytes]]:
    """`(user_id, fields)` of local users of whose profiles the directory has not been told. One statement."""
    rows = await db.all("SELECT user_id, fields FROM profiles WHERE indexed = 0 LIMIT $1", limit)
    return [(row[0], bytes(row[1])) for row in rows]


async def mark_indexed(tx: Tx, rows: Sequence[tuple[str, bytes]]) -> None:
    """`(user_id, fields)`: the directory knows these profiles, unless they have changed again. One statement."""
    await tx.many("UPDATE profiles SET indexed = 1 WHERE user_id = $1 AND fields = $2", rows)


async def profiles_after(db: Reader, user_id: str, limit: int) -> list[str]:
    """Users with profiles, by id, after one. One statement."""
    rows = await db.all("SELECT user_id FROM profiles WHERE user_id > $1 ORDER BY user_id LIMIT $2", user_id, limit)
    return [row[0] for row in rows]


async def forget_indexed(tx: Tx, user_ids: Collection[str]) -> None:
    """Let the directory be told of these profiles again. One statement."""
    await tx.run("UPDATE profiles SET indexed = 0 WHERE user_id = ANY($1)", list(user_ids))


async def remote_after(db: Reader, user_id: str, limit: int) -> tuple[list[str], list[str]]:
    """Listed users of other servers by id, after one: all, and those who are in no room that we know. One statement."""
    rows = await db.all(
        f"SELECT d.user_id, {_IS_SOMEWHERE} FROM user_directory d WHERE d.is_local = 0 AND d.user_id > $1"
        " ORDER BY d.user_id LIMIT $2",
        user_id,
        limit,
    )
    return [row[0] for row in rows], [row[0] for row in rows if not row[1]]


async def room_after(db: Reader, room_nid: int) -> int | None:
    """The next room that has members."""
    found: int | None = await db.value("SELECT MIN(room_nid) FROM room_heads WHERE room_nid > $1", room_nid)
    return found


async def joined_after(db: Reader, room_nid: int, after: int, limit: int) -> list[tuple[int, str, int]]:
    """`(key_id, user_id, event_nid)` of joined members, as far as they are known, by number. One statement."""
    rows = await db.all(
        "SELECT c.key_id, k.state_key, c.event_nid FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
        f" WHERE c.room_nid = $1 AND c.key_id > $2 AND {_JOINED} ORDER BY c.key_id LIMIT $3",
        room_nid,
        max(after, MEMBER_KEYS - 1),
        limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def member_events_after(db: Reader, room_nid: int, pos: int) -> list[Row]:
    """Event rows (`COLUMNS`) of memberships later in a room's timeline, in order. One statement."""
    return await db.all(
        f"SELECT {COLUMNS} FROM events WHERE room_nid = $1 AND pos > $2 AND key_id >= $3 AND status = 0 ORDER BY pos",
        room_nid,
        pos,
        MEMBER_KEYS,
    )


async def queue_rooms(tx: Tx, room_nids: Collection[int]) -> None:
    """Look at all members of rooms, soon. One statement."""
    await tx.many(
        "INSERT INTO user_directory_rooms (room_nid, after) VALUES ($1, 0)"
        " ON CONFLICT (room_nid) DO UPDATE SET after = 0",
        [(room_nid,) for room_nid in room_nids],
    )


async def queued_room(db: Reader) -> tuple[int, int] | None:
    """`(room_nid, after)` of a room that is to be looked at. One statement."""
    row = await db.one("SELECT room_nid, after FROM user_directory_rooms ORDER BY room_nid LIMIT 1")
    return None if row is None else (row[0], row[1])


async def move_on(tx: Tx, room_nid: int, before: int, after: int | None) -> None:
    """How far a room has been looked at; `None`: to its end. If it was queued again meanwhile it stays so."""
    if after is None:
        await tx.run("DELETE FROM user_directory_rooms WHERE room_nid = $1 AND after = $2", room_nid, before)
    else:
        await tx.run(
            "UPDATE user_directory_rooms SET after = $3 WHERE room_nid = $1 AND after = $2", room_nid, before, after
        )


async def stream_pos(db: Reader) -> int | None:
    """Up to where events are in the directory."""
    pos: int | None = await db.value("SELECT pos FROM user_directory_stream_pos WHERE one_row = 1")
    return pos


async def save_stream_pos(tx: Tx, pos: int) -> None:
    """Move `stream_pos`. One statement."""
    await tx.run(
        "INSERT INTO user_directory_stream_pos (one_row, pos) VALUES (1, $1)"
        " ON CONFLICT (one_row) DO UPDATE SET pos = excluded.pos",
        pos,
    )
