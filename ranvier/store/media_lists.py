"""Lists of media for administrators and for what removes old ones. Table `media`, and the log of quarantines."""

from collections.abc import Sequence
from typing import Final, Literal

from ranvier.db.engine import Database, Reader, Tx
from ranvier.store.media import COLUMNS, Medium, medium_of

Order = Literal[
    "media_id", "upload_name", "created_ts", "last_access_ts", "size_bytes", "content_type", "quarantined_by",
    "is_protected",
]  # fmt: skip
UseOrder = Literal["user_id", "displayname", "media_length", "media_count"]

_USE_COLUMNS: Final = {
    "user_id": "m.user_id",
    "displayname": "MAX(p.displayname)",
    "media_length": "SUM(m.size_bytes)",
    "media_count": "COUNT(*)",
}


async def of_user(
    db: Reader, user_id: str, *, order: Order, backwards: bool, offset: int, limit: int
) -> tuple[list[Medium], int]:
    """What a user has uploaded, and how much there is in all. Two statements."""
    total: int = await db.value("SELECT COUNT(*) FROM media WHERE user_id = $1 AND size_bytes IS NOT NULL", user_id)
    direction = "DESC" if backwards else "ASC"
    rows = await db.all(
        f"SELECT {COLUMNS} FROM media WHERE user_id = $1 AND size_bytes IS NOT NULL"
        f" ORDER BY {order} {direction}, media_id {direction} LIMIT $2 OFFSET $3",
        user_id,
        limit,
        offset,
    )
    return [medium_of(row) for row in rows], total


async def names_of_user(db: Reader, server_name: str, user_id: str) -> list[tuple[str, str]]:
    """All that a user has uploaded, or may still."""
    rows = await db.all("SELECT media_id FROM media WHERE server_name = $1 AND user_id = $2", server_name, user_id)
    return [(server_name, row[0]) for row in rows]


async def use_by_user(
    db: Database,
    *,
    order: UseOrder,
    backwards: bool,
    offset: int,
    limit: int,
    from_ts: int,
    until_ts: int | None,
    term: str | None,
) -> tuple[list[tuple[str, str | None, int, int]], int]:
    """`(user id, display name, media, bytes)` of who has uploaded anything then, and how many they are. Two statements."""
    position = "instr" if db.dialect == "sqlite" else "strpos"
    args: list[object] = [from_ts]
    where = "m.user_id IS NOT NULL AND m.size_bytes IS NOT NULL AND m.created_ts >= $1"
    if until_ts is not None:
        args.append(until_ts)
        where += f" AND m.created_ts <= ${len(args)}"
    if term is not None:
        args.append(term.lower())
        number = len(args)
        where += (
            f" AND ({position}(lower(m.user_id), ${number}) > 0"
            f" OR {position}(lower(COALESCE(p.displayname, '')), ${number}) > 0)"
        )
    source = f"FROM media m LEFT JOIN profiles p ON p.user_id = m.user_id WHERE {where}"
    total: int = await db.value(f"SELECT COUNT(DISTINCT m.user_id) {source}", *args)
    direction = "DESC" if backwards else "ASC"
    rows = await db.all(
        f"SELECT m.user_id, MAX(p.displayname), COUNT(*), SUM(m.size_bytes) {source} GROUP BY m.user_id"
        f" ORDER BY {_USE_COLUMNS[order]} {direction}, m.user_id {direction}"
        f" LIMIT ${len(args) + 1} OFFSET ${len(args) + 2}",
        *args,
        limit,
        offset,
    )
    return [(row[0], row[1], row[2], int(row[3])) for row in rows], total


async def old_local(
    db: Reader, server_name: str, *, before_ts: int, larger_than: int, spares_marked: bool
) -> list[Medium]:
    """Ours that nobody has asked for since then and that are larger than that; `spares_marked`: none that are
    quarantined or protected.
    """
    marked = " AND quarantined_by IS NULL AND is_protected = 0" if spares_marked else ""
    rows = await db.all(
        f"SELECT {COLUMNS} FROM media WHERE server_name = $1 AND last_access_ts < $2 AND size_bytes > $3{marked}"
        " ORDER BY media_id",
        server_name,
        before_ts,
        larger_than,
    )
    return [medium_of(row) for row in rows]


async def old_remote(db: Reader, server_name: str, *, before_ts: int) -> list[Medium]:
    """Copies that nobody has asked for since then. Those that are quarantined stay, so that they stay quarantined."""
    rows = await db.all(
        f"SELECT {COLUMNS} FROM media WHERE server_name <> $1 AND last_access_ts < $2 AND quarantined_by IS NULL",
        server_name,
        before_ts,
    )
    return [medium_of(row) for row in rows]


async def old_pictures(db: Reader, *, before_ts: int) -> list[Medium]:
    """Pictures of previewed pages that nobody has asked for since then."""
    rows = await db.all(f"SELECT {COLUMNS} FROM media WHERE page_url IS NOT NULL AND last_access_ts < $1", before_ts)
    return [medium_of(row) for row in rows]


async def avatars(db: Reader, uris: Sequence[str]) -> set[str]:
    """Which of these are pictures of users or rooms of ours. Two statements."""
    users = await db.all("SELECT avatar_url FROM profiles WHERE avatar_url = ANY($1)", list(uris))
    rooms = await db.all("SELECT avatar FROM room_descriptions WHERE avatar = ANY($1)", list(uris))
    return {row[0] for row in [*users, *rooms]}


async def quarantine(tx: Tx, names: Sequence[tuple[str, str]], by: str) -> list[tuple[str, str]]:
    """Show these to nobody; which were shown before, and are not protected. One statement for each, and one more."""
    changed = [
        name
        for name in names
        if await tx.run(
            "UPDATE media SET quarantined_by = $3 WHERE server_name = $1 AND media_id = $2"
            " AND quarantined_by IS NULL AND is_protected = 0",
            *name,
            by,
        )
    ]
    await _log(tx, changed, quarantined=True)
    return changed


async def release(tx: Tx, name: tuple[str, str]) -> bool:
    """Show it again; false if it was."""
    changed = await tx.run(
        "UPDATE media SET quarantined_by = NULL WHERE server_name = $1 AND media_id = $2"
        " AND quarantined_by IS NOT NULL",
        *name,
    )
    if changed:
        await _log(tx, [name], quarantined=False)
    return changed > 0


async def protect(tx: Tx, name: tuple[str, str], *, protected: bool) -> bool:
    """Keep it from being quarantined, or not; false if there is no such medium."""
    return (
        await tx.run(
            "UPDATE media SET is_protected = $3 WHERE server_name = $1 AND media_id = $2", *name, int(protected)
        )
        > 0
    )


async def quarantine_changes(db: Reader, after: int, limit: int) -> list[tuple[int, str, str, bool]]:
    """`(number, server, media id, whether quarantined)`, in order."""
    rows = await db.all(
        "SELECT change_nid, server_name, media_id, quarantined FROM quarantine_changes WHERE change_nid > $1"
        " ORDER BY change_nid LIMIT $2",
        after,
        limit,
    )
    return [(row[0], row[1], row[2], bool(row[3])) for row in rows]


async def _log(tx: Tx, names: Sequence[tuple[str, str]], *, quarantined: bool) -> None:
    await tx.many(
        "INSERT INTO quarantine_changes (server_name, media_id, quarantined) VALUES ($1, $2, $3)",
        [(*name, int(quarantined)) for name in names],
    )
