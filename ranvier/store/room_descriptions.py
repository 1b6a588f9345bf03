"""Rooms as they look from outside: one row a room, made from a handful of its state events.

What the room directory, space hierarchies and summaries show, without loading the rooms.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ranvier.db.engine import Reader, Row, Tx
from ranvier.store.rooms import JOIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDescription:
    """What a room's state says about it."""

    name: str | None
    topic: str | None
    canonical_alias: str | None
    avatar: str | None
    join_rule: str
    allowed: tuple[str, ...]
    """Rooms whose members may join, where the join rule is a restricted one."""
    history_visibility: str
    guest_access: str
    encryption: str | None
    room_type: str | None
    federate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSummary(RoomDescription):
    """The same with what does not come from state events alone."""

    room_nid: int
    room_id: str
    room_version: str
    joined_members: int


_STATE: Final = (
    "name, topic, canonical_alias, avatar, join_rule, allowed, history_visibility, guest_access, encryption, room_type,"
    " federate"
)
SUMMARY_COLUMNS: Final = (
    "r.room_nid, r.room_id, r.room_version, h.joined_members, d.name, d.topic, d.canonical_alias, d.avatar,"
    " d.join_rule, d.allowed, d.history_visibility, d.guest_access, d.encryption, d.room_type, d.federate"
)
"""What `summary` is made from."""
SUMMARY_TABLES: Final = (
    "rooms r JOIN room_heads h ON h.room_nid = r.room_nid JOIN room_descriptions d ON d.room_nid = r.room_nid"
)

IS_HERE: Final = f"EXISTS (SELECT 1 FROM local_members m WHERE m.room_nid = r.room_nid AND m.membership = {JOIN})"
"""Whether somebody here is in the room. Of one that all of ours have left nobody tells us how it goes on."""


def summary(row: Row) -> RoomSummary:
    """A row of `SUMMARY_COLUMNS`."""
    nid, room_id, version, joined, name, topic, alias, avatar, rule, allowed, visibility, guests, *rest = row
    encryption, room_type, federate = rest
    return RoomSummary(
        room_nid=nid,
        room_id=room_id,
        room_version=version,
        joined_members=joined,
        name=name,
        topic=topic,
        canonical_alias=alias,
        avatar=avatar,
        join_rule=rule,
        allowed=() if allowed == "[]" else msgspec.json.decode(allowed, type=tuple[str, ...]),
        history_visibility=visibility,
        guest_access=guests,
        encryption=encryption,
        room_type=room_type,
        federate=bool(federate),
    )


async def save(tx: Tx, rows: Sequence[tuple[int, RoomDescription]]) -> None:
    """Replace the descriptions of these rooms (numbers). One statement; none without rows."""
    names = [column.strip() for column in f"{_STATE}, search".split(",")]
    replaced = ", ".join(f"{name} = excluded.{name}" for name in names)
    await tx.many(
        f"INSERT INTO room_descriptions (room_nid, {_STATE}, search)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        f" ON CONFLICT (room_nid) DO UPDATE SET {replaced}",
        [
            (
                room_nid,
                room.name,
                room.topic,
                room.canonical_alias,
                room.avatar,
                room.join_rule,
                msgspec.json.encode(room.allowed).decode(),
                room.history_visibility,
                room.guest_access,
                room.encryption,
                room.room_type,
                int(room.federate),
                search_text(room.name, room.topic, room.canonical_alias),
            )
            for room_nid, room in rows
        ],
    )


async def by_ids(db: Reader, room_ids: Collection[str]) -> dict[str, RoomSummary]:
    """Summaries of rooms by their ids. One statement.

    Unknown rooms are missing, and those that all of ours have left while others are in them.
    """
    # No room has an id with a NUL, and PostgreSQL cannot be asked for it.
    wanted = [room_id for room_id in room_ids if "\0" not in room_id]
    rows = await db.all(
        f"SELECT {SUMMARY_COLUMNS} FROM {SUMMARY_TABLES}"
        f" WHERE r.room_id = ANY($1) AND (h.joined_members = 0 OR {IS_HERE})",
        wanted,
    )
    return {found.room_id: found for found in map(summary, rows)}


def search_text(*parts: str | None) -> str:
    """Texts in the form in which they are searched."""
    return "\n".join(part for part in parts if part).casefold()
