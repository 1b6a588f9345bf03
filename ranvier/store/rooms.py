"""Rooms, their heads, and what is true in them now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NewType

import msgspec

from ranvier.db.engine import Reader, Row, Tx
from ranvier.store.events import COLUMNS
from ranvier.store.state_keys import MEMBER_KEYS

JOIN: Final = 1
INVITE: Final = 2
LEAVE: Final = 3
BAN: Final = 4
KNOCK: Final = 5

MEMBERSHIPS: Final = {"join": JOIN, "invite": INVITE, "leave": LEAVE, "ban": BAN, "knock": KNOCK}
MEMBERSHIP_NAMES: Final = {number: name for name, number in MEMBERSHIPS.items()}

AllMembersOf = NewType("AllMembersOf", int)
"""The number of a room whose members may be listed: all of them are known, or those that are known will do. Made in
`rooms.full_room`."""

_EVENT_COLUMNS: Final = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A room and its head."""

    room_nid: int
    room_id: str
    room_version: str
    extremities: tuple[int, ...]
    state_no: int
    last_pos: int
    joined_members: int
    invited_members: int


@dataclass(frozen=True, slots=True)
class Membership:
    """One local user's relation to one room."""

    user_nid: int
    room_nid: int
    event_nid: int
    membership: int
    stream_pos: int
    forgotten: int
    """1 once the user does not want to see the room any more."""


_ROOM = (
    "SELECT r.room_nid, r.room_id, r.room_version, h.extremities, h.state_no, h.last_pos, h.joined_members,"
    " h.invited_members FROM rooms r JOIN room_heads h ON h.room_nid = r.room_nid"
)


def _room(row: Row | None) -> RoomRow | None:
    if row is None:
        return None
    nid, room_id, version, extremities, state_no, last_pos, joined, invited = row
    return RoomRow(nid, room_id, version, tuple(msgspec.json.decode(extremities)), state_no, last_pos, joined, invited)


async def by_id(db: Reader, room_id: str) -> RoomRow | None:
    """The room with this id, if we know it."""
    return _room(await db.one(f"{_ROOM} WHERE r.room_id = $1", room_id))


async def by_nid(db: Reader, room_nid: int) -> RoomRow | None:
    """The room with this number."""
    return _room(await db.one(f"{_ROOM} WHERE r.room_nid = $1", room_nid))


async def heads(db: Reader, room_nids: Collection[int]) -> list[RoomRow]:
    """Rooms by number, in any order. One statement."""
    rows = await db.all(f"{_ROOM} WHERE r.room_nid = ANY($1)", list(room_nids))
    return [room for room in map(_room, rows) if room is not None]


async def greatest_nid(db: Reader) -> int:
    """The greatest `room_nid` in use, 0 if there is none."""
    return await db.value("SELECT MAX(room_nid) FROM rooms") or 0


async def insert(tx: Tx, rows: Sequence[tuple[int, str, str, str, int]]) -> None:
    """`(room_nid, room_id, room_version, creator, is_public)` of new rooms."""
    await tx.many(
        "INSERT INTO rooms (room_nid, room_id, room_version, creator, is_public) VALUES ($1, $2, $3, $4, $5)", rows
    )


async def correct(tx: Tx, room_nid: int, room_version: str, creator: str) -> None:
    """What was only heard of a room is known better now. One statement."""
    await tx.run(
        "UPDATE rooms SET room_version = $2, creator = $3 WHERE room_nid = $1", room_nid, room_version, creator
    )


async def nid_of(db: Reader, room_id: str) -> tuple[int, str] | None:
    """`(room_nid, room_version)` of a room, even one that we have only heard of."""
    row = await db.one("SELECT room_nid, room_version FROM rooms WHERE room_id = $1", room_id)
    return None if row is None else (row[0], row[1])


async def save_heads(tx: Tx, heads: Collection[RoomRow]) -> None:
    """Move rooms' heads. One statement."""
    await tx.many(
        "INSERT INTO room_heads (room_nid, extremities, state_no, last_pos, joined_members, invited_members)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_nid) DO UPDATE SET extremities = excluded.extremities,"
        " state_no = excluded.state_no, last_pos = excluded.last_pos, joined_members = excluded.joined_members,"
        " invited_members = excluded.invited_members",
        [
            (
                head.room_nid,
                str(list(head.extremities)),
                head.state_no,
                head.last_pos,
                head.joined_members,
                head.invited_members,
            )
            for head in heads
        ],
    )


async def save_current(tx: Tx, rows: Sequence[tuple[int, int, int, int | None]]) -> None:
    """`(room_nid, key_id, event_nid, membership)` entries of the current state. One statement."""
    await tx.many(
        "INSERT INTO room_current (room_nid, key_id, event_nid, membership) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (room_nid, key_id)"
        " DO UPDATE SET event_nid = excluded.event_nid, membership = excluded.membership",
        rows,
    )


async def remove_current(tx: Tx, rows: Sequence[tuple[int, int]]) -> None:
    """`(room_nid, key_id)`: entries that the current state has no more. One statement."""
    await tx.many("DELETE FROM room_current WHERE room_nid = $1 AND key_id = $2", rows)


async def save_memberships(tx: Tx, rows: Sequence[tuple[int, int, int, int, int, int]]) -> None:
    """`(user_nid, room_nid, event_nid, membership, stream_pos, forgotten)` of local users. One statement.

    `stream_pos` stays where it is while the membership does (a new display name is no new membership). Whoever comes
    back to a room has not forgotten it any more.
    """
    await tx.many(
        "INSERT INTO local_members (user_nid, room_nid, event_nid, membership, stream_pos, forgotten)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (user_nid, room_nid) DO UPDATE SET event_nid = excluded.event_nid,"
        " stream_pos = CASE WHEN local_members.membership = excluded.membership"
        " THEN local_members.stream_pos ELSE excluded.stream_pos END,"
        " membership = excluded.membership, forgotten = excluded.forgotten",
        rows,
    )


async def renumber_memberships(tx: Tx, rows: Sequence[tuple[int, int, int, int]]) -> None:
    """`(user_nid, room_nid, old event_nid, new event_nid)`. One statement."""
    await tx.many(
        "UPDATE local_members SET event_nid = $4 WHERE user_nid = $1 AND room_nid = $2 AND event_nid = $3", rows
    )


async def current_state(db: Reader, room_nids: Collection[int]) -> list[Row]:
    """Event rows (`COLUMNS`) of the current states of some rooms without members. One statement."""
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE c.room_nid = ANY($1) AND c.key_id < $2",
        list(room_nids),
        MEMBER_KEYS,
    )


async def current_entry(db: Reader, room_nid: int, key_id: int) -> Row | None:
    """Event row (`COLUMNS`) of one entry of the current state."""
    return await db.one(
        f"SELECT {_EVENT_COLUMNS} FROM room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE c.room_nid = $1 AND c.key_id = $2",
        room_nid,
        key_id,
    )


async def members_among(db: Reader, room_nids: Collection[int], user_ids: Collection[str]) -> list[Row]:
    """Event rows (`COLUMNS`) of the members that these users are of these rooms, whatever their membership.

    One statement, which looks for every user in every room.
    """
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM state_keys k CROSS JOIN room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE k.type = 'm.room.member' AND k.state_key = ANY($2)"
        " AND c.room_nid = ANY($1) AND c.key_id = k.key_id",
        list(room_nids),
        list(user_ids),
    )


async def current_members(db: Reader, room_nid: AllMembersOf, memberships: Collection[int]) -> list[Row]:
    """Event rows (`COLUMNS`) of members with one of these memberships."""
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE c.room_nid = $1 AND c.key_id >= $2 AND c.membership = ANY($3)",
        room_nid,
        MEMBER_KEYS,
        list(memberships),
    )


async def current_members_json(db: Reader, room_nid: AllMembersOf, memberships: Collection[int]) -> list[Row]:
    """`(key_id, json, event_id, redacted_by)` of members with one of these memberships."""
    return await db.all(
        "SELECT c.key_id, e.json, e.event_id, e.redacted_by FROM room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE c.room_nid = $1 AND c.key_id >= $2 AND c.membership = ANY($3)",
        room_nid,
        MEMBER_KEYS,
        list(memberships),
    )


async def first_members(db: Reader, room_nids: Collection[AllMembersOf], limit: int) -> list[Row]:
    """Event rows (`COLUMNS`) of those who are joined to some rooms or invited, the first to be so first."""
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM room_current c JOIN events e ON e.event_nid = c.event_nid"
        " WHERE c.room_nid = ANY($1) AND c.key_id >= $2 AND c.membership IN (1, 2) ORDER BY c.event_nid LIMIT $3",
        list(room_nids),
        MEMBER_KEYS,
        limit,
    )


async def all_current(db: Reader, room_nid: AllMembersOf) -> list[Row]:
    """Event rows (`COLUMNS`) of the whole current state."""
    return await db.all(
        f"SELECT {_EVENT_COLUMNS} FROM room_current c JOIN events e ON e.event_nid = c.event_nid WHERE c.room_nid = $1",
        room_nid,
    )


async def member_nids(db: Reader, room_nid: AllMembersOf, memberships: Collection[int]) -> list[int]:
    """Numbers of the users with one of these memberships."""
    rows = await db.all(
        "SELECT key_id FROM room_current WHERE room_nid = $1 AND key_id >= $2 AND membership = ANY($3)",
        room_nid,
        MEMBER_KEYS,
        list(memberships),
    )
    return [row[0] for row in rows]


async def joined_page(db: Reader, room_nid: AllMembersOf, *, after: int, limit: int) -> list[int]:
    """Numbers of joined users that are greater than `after`, in order."""
    rows = await db.all(
        "SELECT key_id FROM room_current WHERE room_nid = $1 AND key_id > $2 AND membership = $3"
        " ORDER BY key_id LIMIT $4",
        room_nid,
        max(after, MEMBER_KEYS - 1),
        JOIN,
        limit,
    )
    return [row[0] for row in rows]


async def memberships_of(db: Reader, user_nid: int) -> list[Membership]:
    """Every room that a local user has or had to do with."""
    rows = await db.all(
        "SELECT user_nid, room_nid, event_nid, membership, stream_pos, forgotten FROM local_members"
        " WHERE user_nid = $1",
        user_nid,
    )
    return [Membership(*row) for row in rows]


async def membership_of(db: Reader, user_nid: int, room_nid: int) -> Membership | None:
    """One local user's relation to one room."""
    row = await db.one(
        "SELECT user_nid, room_nid, event_nid, membership, stream_pos, forgotten FROM local_members"
        " WHERE user_nid = $1 AND room_nid = $2",
        user_nid,
        room_nid,
    )
    return None if row is None else Membership(*row)


async def forget(tx: Tx, user_nid: int, room_nid: int) -> None:
    """The user does not want to see the room any more."""
    await tx.run("UPDATE local_members SET forgotten = 1 WHERE user_nid = $1 AND room_nid = $2", user_nid, room_nid)


async def room_ids(db: Reader, room_nids: Collection[int]) -> dict[int, str]:
    """Ids of rooms by their numbers."""
    rows = await db.all("SELECT room_nid, room_id FROM rooms WHERE room_nid = ANY($1)", list(room_nids))
    return {row[0]: row[1] for row in rows}


async def rooms_with(db: Reader, room_nids: Collection[int], user_nid: int) -> list[int]:
    """Those of these rooms that a user, local or not, is joined to. One statement."""
    rows = await db.all(
        "SELECT room_nid FROM room_current WHERE room_nid = ANY($1) AND key_id = $2 AND membership = $3",
        list(room_nids),
        user_nid,
        JOIN,
    )
    return [row[0] for row in rows]
