"""Rooms as administrators list them: filtered, in any order, page by page; and what is counted of one room."""

from dataclasses import dataclass
from typing import Final, Literal

from ranvier.db.engine import Database, Reader, Row
from ranvier.store.room_descriptions import search_text
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import MEMBER_KEYS

Order = Literal[
    "name", "canonical_alias", "joined_members", "joined_local_members", "version", "creator", "encryption",
    "federatable", "public", "join_rules", "guest_access", "history_visibility", "state_events", "alphabetical", "size",
]  # fmt: skip

_LOCAL: Final = f"(SELECT COUNT(*) FROM local_members m WHERE m.room_nid = r.room_nid AND m.membership = {JOIN})"
_STATE: Final = "(SELECT COUNT(*) FROM room_current c WHERE c.room_nid = r.room_nid)"
_ORDERS: Final = {
    "name": "d.name ASC",
    "alphabetical": "d.name ASC",
    "canonical_alias": "d.canonical_alias ASC",
    "joined_members": "joined_members DESC",
    "size": "joined_members DESC",
    "joined_local_members": "joined_local DESC",
    "version": "r.room_version DESC",
    "creator": "r.creator ASC",
    "encryption": "d.encryption ASC",
    "federatable": "d.federate DESC",
    "public": "r.is_public DESC",
    "join_rules": "d.join_rule ASC",
    "guest_access": "d.guest_access ASC",
    "history_visibility": "d.history_visibility ASC",
    "state_events": "state_events DESC",
}
"""The way forwards: names from A on, numbers from the greatest on."""
_TABLES: Final = (
    "rooms r JOIN room_heads h ON h.room_nid = r.room_nid LEFT JOIN room_descriptions d ON d.room_nid = r.room_nid"
)
_COLUMNS: Final = (
    "r.room_nid, r.room_id, r.room_version, r.creator, r.is_public, h.joined_members AS joined_members, d.name,"
    " d.topic, d.avatar, d.canonical_alias, d.encryption, d.federate, d.join_rule, d.guest_access,"
    f" d.history_visibility, d.room_type, {_LOCAL} AS joined_local, {_STATE} AS state_events"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFilter:
    """Which rooms; `None`: whatever it is."""

    term: str | None = None
    """Is part of the name or the alias's local part, in whatever case, or of the room id."""
    public: bool | None = None
    empty: bool | None = None
    """Whether nobody is in them."""


@dataclass(frozen=True, slots=True)
class ListedRoom:
    """One row of the list."""

    room_nid: int
    room_id: str
    version: str
    creator: str
    public: bool
    joined_members: int
    name: str | None
    topic: str | None
    avatar: str | None
    canonical_alias: str | None
    encryption: str | None
    federatable: bool
    join_rules: str | None
    guest_access: str | None
    history_visibility: str | None
    room_type: str | None
    joined_local_members: int
    state_events: int


def _listed(row: Row) -> ListedRoom:
    nid, room_id, version, creator, public, joined, name, topic, avatar, alias, encryption, federate, *rest = row
    return ListedRoom(
        nid, room_id, version, creator, bool(public), joined, name, topic, avatar, alias, encryption,
        federate is None or bool(federate), *rest,
    )  # fmt: skip


async def page(
    db: Database, wanted: RoomFilter, *, order: Order, offset: int, limit: int, backwards: bool
) -> tuple[list[ListedRoom], int]:
    """Rooms in this order, those with the same value by id; and how many there are in all. Two statements."""
    where, args = _where(wanted, "instr" if db.dialect == "sqlite" else "strpos")
    total: int = await db.value(f"SELECT COUNT(*) FROM {_TABLES} WHERE {where}", *args)
    column, direction = _ORDERS[order].split()
    if backwards:
        direction = "DESC" if direction == "ASC" else "ASC"
    rows = await db.all(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE {where} ORDER BY {column} {direction} NULLS LAST, r.room_id {direction}"
        f" LIMIT ${len(args) + 1} OFFSET ${len(args) + 2}",
        *args,
        limit,
        offset,
    )
    return [_listed(row) for row in rows], total


async def one(db: Reader, room_id: str) -> ListedRoom | None:
    """A room that this server is or was in. One statement."""
    row = await db.one(f"SELECT {_COLUMNS} FROM {_TABLES} WHERE r.room_id = $1", room_id)
    return None if row is None else _listed(row)


async def joined_devices(db: Reader, room_nid: int) -> int:
    """How many devices the users of this server have that are in a room. One statement."""
    count: int = await db.value(
        "SELECT COUNT(*) FROM local_members m JOIN state_keys k ON k.key_id = m.user_nid"
        " JOIN devices v ON v.user_id = k.state_key WHERE m.room_nid = $1 AND m.membership = $2",
        room_nid,
        JOIN,
    )
    return count


async def is_forgotten(db: Reader, room_nid: int) -> bool:
    """Whether nobody here wants to see a room any more. One statement."""
    left: int = await db.value("SELECT COUNT(*) FROM local_members WHERE room_nid = $1 AND forgotten = 0", room_nid)
    return left == 0


async def joined_users(db: Reader, room_nid: int) -> list[str]:
    """Who is in a room, as far as that is known. One statement."""
    rows = await db.all(
        "SELECT k.state_key FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
        " WHERE c.room_nid = $1 AND c.key_id >= $2 AND c.membership = $3 ORDER BY k.state_key",
        room_nid,
        MEMBER_KEYS,
        JOIN,
    )
    return [row[0] for row in rows]


async def current_events(db: Reader, room_nid: int, type: str | None = None) -> list[int]:
    """The numbers of the events of a room's state, as far as that is known. One statement."""
    if type is None:
        rows = await db.all("SELECT event_nid FROM room_current WHERE room_nid = $1 ORDER BY event_nid", room_nid)
    else:
        rows = await db.all(
            "SELECT c.event_nid FROM room_current c JOIN state_keys k ON k.key_id = c.key_id"
            " WHERE c.room_nid = $1 AND k.type = $2 ORDER BY c.event_nid",
            room_nid,
            type,
        )
    return [row[0] for row in rows]


def _where(wanted: RoomFilter, position: str) -> tuple[str, list[object]]:
    args: list[object] = []
    conditions = ["1 = 1"]
    if wanted.term is not None:
        # The column holds name, topic and alias, one a line; a term in the topic alone is none of these.
        args += [search_text(wanted.term), wanted.term]
        localpart = f"substr(d.canonical_alias, 2, {position}(d.canonical_alias, ':') - 2)"
        lines = f"{position}(substr(d.search, 1, length(d.name)), $1)"
        conditions.append(f"({lines} > 0 OR {position}(lower({localpart}), $1) > 0 OR {position}(r.room_id, $2) > 0)")
    if wanted.public is not None:
        conditions.append(f"r.is_public = {int(wanted.public)}")
    if wanted.empty is not None:
        conditions.append(f"h.joined_members {'=' if wanted.empty else '>'} 0")
    return " AND ".join(conditions), args
