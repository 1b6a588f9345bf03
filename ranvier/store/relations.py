"""Which events relate to which: rows of children, found by their parent.

Spec: client-server API, "Forming relationships between events". Ordered by the children's `pos`, so that a parent's
newest child is one seek. What a relation means is for `rooms` to say.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx
from ranvier.proto.relations import REFERENCE, REPLACE, THREAD
from ranvier.store.events import COLUMNS

RECURSION_DEPTH: Final = 3
"""How many relations `children` follows at most when it is asked for indirect ones."""

_EVENT: Final = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class RelationRow:
    """One child."""

    room_nid: int
    parent_id: str
    pos: int
    child_nid: int
    origin_server_ts: int
    event_id: str
    rel_type: str
    type: str
    sender: str
    annotation: bytes | None
    """Digest of what an `m.annotation` says."""
    counts: bool
    """False for an `m.replace` that cannot replace anything."""


@dataclass(frozen=True, slots=True)
class ChildGroup:
    """The newest of a parent's children of one sender, type and kind of relation; each reference is its own group."""

    room_nid: int
    parent_id: str
    rel_type: str
    sender: str
    type: str
    event_id: str
    child_nid: int
    pos: int
    origin_server_ts: int
    count: int
    """How many children are in the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildChoice:
    """Which children of an event are wanted."""

    room_nid: int
    parent_id: str
    rel_type: str | None = None
    type: str | None = None
    recurse: bool = False
    """Children of children too, as long as every one of them is wanted."""


async def insert(tx: Tx, rows: Sequence[RelationRow]) -> None:
    """Store relations. One statement, none without rows."""
    await tx.many(
        "INSERT INTO event_relations (room_nid, parent_id, pos, child_nid, origin_server_ts, event_id, rel_type, type,"
        " sender, annotation, counts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        [
            (
                row.room_nid,
                row.parent_id,
                row.pos,
                row.child_nid,
                row.origin_server_ts,
                row.event_id,
                row.rel_type,
                row.type,
                row.sender,
                row.annotation,
                int(row.counts),
            )
            for row in rows
        ],
    )


async def delete(tx: Tx, rows: Sequence[tuple[int, str, int]]) -> None:
    """Forget the relations of children, as `(room_nid, parent_id, pos)`. One statement, none without rows."""
    await tx.many("DELETE FROM event_relations WHERE room_nid = $1 AND parent_id = $2 AND pos = $3", rows)


async def delete_room(tx: Tx, room_nid: int) -> None:
    """The room is being purged."""
    await tx.run("DELETE FROM event_relations WHERE room_nid = $1", room_nid)


async def rooms_with_relations(db: Reader) -> list[int]:
    """The rooms in which anything relates to anything. One seek a room."""
    rows = await db.all(
        "WITH RECURSIVE found(room_nid) AS (SELECT MIN(room_nid) FROM event_relations UNION ALL"
        " SELECT (SELECT MIN(r.room_nid) FROM event_relations r WHERE r.room_nid > found.room_nid) FROM found"
        " WHERE found.room_nid IS NOT NULL) SELECT room_nid FROM found WHERE room_nid IS NOT NULL"
    )
    return [row[0] for row in rows]


async def has_annotation(db: Reader, room_nid: int, parent_id: str, sender: str, annotation: bytes) -> bool:
    """Whether a user has said this of an event already."""
    found = await db.value(
        "SELECT 1 FROM event_relations WHERE parent_id = $1 AND sender = $2 AND annotation = $3 AND room_nid = $4 LIMIT 1",
        parent_id,
        sender,
        annotation,
        room_nid,
    )
    return found is not None


_GROUPS: Final = (
    "SELECT room_nid, parent_id, rel_type, sender, type, event_id, child_nid, pos, origin_server_ts, of_group FROM ("
    "SELECT room_nid, parent_id, rel_type, sender, type, event_id, child_nid, pos, origin_server_ts,"
    " COUNT(*) OVER (PARTITION BY {group}) AS of_group,"
    " ROW_NUMBER() OVER (PARTITION BY {group} ORDER BY"
    f" CASE WHEN rel_type = '{THREAD}' THEN pos ELSE origin_server_ts END DESC, event_id DESC) AS place"
    " FROM event_relations WHERE room_nid = ANY($1) AND {parents} AND counts = 1 AND pos <= $3"
    f" AND rel_type IN ('{REFERENCE}', '{REPLACE}', '{THREAD}')) AS numbered WHERE place = 1"
)
_GROUP: Final = (
    "room_nid, parent_id, rel_type, sender, CASE WHEN rel_type = 'm.thread' THEN '' ELSE type END,"
    " CASE WHEN rel_type = 'm.reference' THEN event_id ELSE '' END"
)


async def child_groups(
    db: Reader, room_nids: Collection[int], parent_ids: Collection[str], *, upto: int
) -> list[ChildGroup]:
    """What is aggregated of the children at or before position `upto`, of these events and of the newest in their threads.

    One statement.
    """
    of_asked = _GROUPS.format(group=_GROUP, parents="parent_id = ANY($2)")
    of_newest = _GROUPS.format(
        group=_GROUP, parents=f"parent_id IN (SELECT event_id FROM asked WHERE rel_type = '{THREAD}')"
    )
    rows = await db.all(
        f"WITH asked AS ({of_asked}) SELECT * FROM asked UNION ALL SELECT * FROM ({of_newest}) AS newest",
        list(room_nids),
        list(parent_ids),
        upto,
    )
    return [ChildGroup(*row) for row in rows]


async def children(
    db: Reader, choice: ChildChoice, *, after: int, before: int, limit: int, backwards: bool
) -> list[Row]:
    """Rows of `events.COLUMNS` of children with `after < pos < before`, nearest the starting end first."""
    order = "DESC" if backwards else "ASC"
    args: list[object] = [choice.room_nid, choice.parent_id, after, before, limit]
    wanted = ""
    if choice.rel_type is not None:
        args.append(choice.rel_type)
        wanted += f" AND r.rel_type = ${len(args)}"
    if choice.type is not None:
        args.append(choice.type)
        wanted += f" AND r.type = ${len(args)}"
    if choice.recurse:
        source = (
            "WITH RECURSIVE tree(event_id, child_nid, pos, depth) AS (SELECT r.event_id, r.child_nid, r.pos, 1"
            f" FROM event_relations r WHERE r.room_nid = $1 AND r.parent_id = $2{wanted} UNION ALL"
            " SELECT r.event_id, r.child_nid, r.pos, tree.depth + 1 FROM tree JOIN event_relations r"
            f" ON r.room_nid = $1 AND r.parent_id = tree.event_id WHERE tree.depth < {RECURSION_DEPTH}{wanted}),"
            " found AS (SELECT DISTINCT child_nid, pos FROM tree WHERE event_id <> $2)"
        )
    else:
        source = (
            "WITH found AS (SELECT r.child_nid, r.pos FROM event_relations r"
            f" WHERE r.room_nid = $1 AND r.parent_id = $2{wanted})"
        )
    return await db.all(
        f"{source} SELECT {_EVENT} FROM found f JOIN events e ON e.event_nid = f.child_nid"
        f" WHERE f.pos > $3 AND f.pos < $4 ORDER BY f.pos {order} LIMIT $5",
        *args,
    )


async def related(
    db: Reader,
    room_nid: int,
    parent_ids: Collection[str],
    *,
    rel_types: Collection[str] | None,
    senders: Collection[str] | None,
) -> set[str]:
    """Which of these events have a child of one of these kinds by one of these senders; `None`: of any. One statement."""
    args: list[object] = [room_nid, list(parent_ids)]
    wanted = ""
    for column, values in (("rel_type", rel_types), ("sender", senders)):
        if values is not None:
            args.append(list(values))
            wanted += f" AND {column} = ANY(${len(args)})"
    rows = await db.all(
        f"SELECT DISTINCT parent_id FROM event_relations WHERE room_nid = $1 AND parent_id = ANY($2){wanted}", *args
    )
    return {row[0] for row in rows}


async def threads(db: Reader, room_nid: int, *, before: int, upto: int, limit: int) -> list[tuple[str, int]]:
    """`(root's id, position of its newest event)` of threads whose newest event is before a position, newest first.

    What stands behind `upto` does not exist. One statement.
    """
    rows = await db.all(
        f"SELECT r.parent_id, r.pos FROM event_relations r WHERE r.room_nid = $1 AND r.rel_type = '{THREAD}'"
        " AND r.pos < $2 AND r.pos <= $3 AND NOT EXISTS (SELECT 1 FROM event_relations n WHERE n.room_nid = $1"
        f" AND n.parent_id = r.parent_id AND n.pos > r.pos AND n.pos <= $3 AND n.rel_type = '{THREAD}')"
        " ORDER BY r.pos DESC LIMIT $4",
        room_nid,
        before,
        upto,
        limit,
    )
    return [(row[0], row[1]) for row in rows]
