"""The published directory of this server: which rooms are in it, a page of them at a time.

Spec: client-server API, "Published room directory". Largest rooms first; of equal ones the newest.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from ranvier.db.engine import Reader, Tx
from ranvier.store.room_descriptions import IS_HERE, SUMMARY_COLUMNS, SUMMARY_TABLES, RoomSummary, summary

FIRST: Final = (1 << 62, 1 << 62)
"""Before every room."""
LAST: Final = (-1, -1)
"""After every room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFilter:
    """Which of the published rooms are wanted."""

    term: str | None = None
    """Has to be part of the name, topic or alias; case-folded."""
    room_types: Collection[str] | None = None
    """`None`: of any type."""
    untyped: bool = True
    """Besides `room_types`, rooms without a type."""
    federated_only: bool = False
    """Leave out rooms that users of other servers cannot join."""


async def set_published(tx: Tx, room_nid: int, *, published: bool) -> None:
    """Put a room into the directory, or take it out."""
    await tx.run("UPDATE rooms SET is_public = $2 WHERE room_nid = $1", room_nid, int(published))


async def is_published(db: Reader, room_nid: int) -> bool:
    """Whether a room is in the directory."""
    return bool(await db.value("SELECT is_public FROM rooms WHERE room_nid = $1", room_nid))


async def count(db: Reader) -> int:
    """How many rooms are in the directory, empty ones included."""
    number: int = await db.value("SELECT COUNT(*) FROM rooms WHERE is_public = 1")
    return number


async def page(
    db: Reader, wanted: DirectoryFilter, *, after: tuple[int, int], backwards: bool, limit: int
) -> list[RoomSummary]:
    """Rooms that follow the place `after` (a room's `joined_members` and `room_nid`), nearest first. One statement.

    Rooms without members here are left out.
    """
    sign, order = (">", "ASC") if backwards else ("<", "DESC")
    arguments: list[Any] = [*after, limit]
    conditions = [
        "r.is_public = 1",
        "h.joined_members > 0",
        IS_HERE,
        f"(h.joined_members {sign} $1 OR (h.joined_members = $1 AND r.room_nid {sign} $2))",
    ]
    if wanted.term is not None:
        arguments.append(f"%{_escaped(wanted.term)}%")
        conditions.append(f"d.search LIKE ${len(arguments)} ESCAPE '!'")
    if wanted.room_types is not None:
        arguments.append(list(wanted.room_types))
        untyped = " OR d.room_type IS NULL" if wanted.untyped else ""
        conditions.append(f"(d.room_type = ANY(${len(arguments)}){untyped})")
    if wanted.federated_only:
        conditions.append("d.federate = 1")
    rows = await db.all(
        f"SELECT {SUMMARY_COLUMNS} FROM {SUMMARY_TABLES} WHERE {' AND '.join(conditions)}"
        f" ORDER BY h.joined_members {order}, r.room_nid {order} LIMIT $3",
        *arguments,
    )
    return [summary(row) for row in rows]


def _escaped(term: str) -> str:
    """A text that stands for itself in a pattern of LIKE."""
    return term.replace("!", "!!").replace("%", "!%").replace("_", "!_")
