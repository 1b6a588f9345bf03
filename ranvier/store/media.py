"""Media of this server and copies of those of others: what is known of the files. Table `media`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx

COLUMNS: Final = (
    "server_name, media_id, file_id, user_id, created_ts, expires_ts, content_type, upload_name, size_bytes,"
    " last_access_ts, quarantined_by, is_protected, needs_token, page_url"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """One medium."""

    server_name: str
    media_id: str
    file_id: str
    """What its files are called after; of our own media the `media_id`."""
    user_id: str | None
    """Who has uploaded it; `None` for media of other servers, and pictures of pages."""
    created_ts: int
    """Of copies: when we took them."""
    expires_ts: int | None = None
    """Until when a name without content may be given one."""
    content_type: str
    upload_name: str | None = None
    size_bytes: int | None
    """`None`: not uploaded yet."""
    last_access_ts: int
    quarantined_by: str | None = None
    is_protected: bool = False
    needs_token: bool
    """Whether only those who are logged in are served, and servers that sign."""
    page_url: str | None = None
    """The page of whose preview it is a part."""


async def by_id(db: Reader, server_name: str, media_id: str) -> Medium | None:
    """One statement."""
    row = await db.one(f"SELECT {COLUMNS} FROM media WHERE server_name = $1 AND media_id = $2", server_name, media_id)
    return None if row is None else medium_of(row)


async def insert(tx: Tx, medium: Medium) -> None:
    """Keep a new medium. Raises `UniqueViolation` if its name is taken."""
    await tx.run(
        f"INSERT INTO media ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        medium.server_name,
        medium.media_id,
        medium.file_id,
        medium.user_id,
        medium.created_ts,
        medium.expires_ts,
        medium.content_type,
        _bytes(medium.upload_name),
        medium.size_bytes,
        medium.last_access_ts,
        medium.quarantined_by,
        int(medium.is_protected),
        int(medium.needs_token),
        _bytes(medium.page_url),
    )


async def fill(
    tx: Tx, server_name: str, media_id: str, *, content_type: str, upload_name: str | None, size_bytes: int, now_ms: int
) -> bool:
    """A name without content gets it; false if it has some by now."""
    return (
        await tx.run(
            "UPDATE media SET content_type = $3, upload_name = $4, size_bytes = $5, last_access_ts = $6,"
            " expires_ts = NULL WHERE server_name = $1 AND media_id = $2 AND size_bytes IS NULL",
            server_name,
            media_id,
            content_type,
            _bytes(upload_name),
            size_bytes,
            now_ms,
        )
        > 0
    )


async def count_pending(db: Reader, user_id: str, now_ms: int) -> int:
    """How many names a user has asked for that have no content yet, and still may get it."""
    found: int = await db.value(
        "SELECT COUNT(*) FROM media WHERE user_id = $1 AND size_bytes IS NULL AND expires_ts > $2", user_id, now_ms
    )
    return found


async def uploaded_bytes(db: Reader, user_id: str, since_ts: int) -> int:
    """How much a user has uploaded since then."""
    found = await db.value(
        "SELECT SUM(size_bytes) FROM media WHERE user_id = $1 AND created_ts >= $2", user_id, since_ts
    )
    return int(found or 0)


async def delete(tx: Tx, media: Sequence[tuple[str, str]]) -> None:
    """Forget media, by server and id."""
    await tx.many("DELETE FROM media WHERE server_name = $1 AND media_id = $2", list(media))


async def touch(tx: Tx, accesses: Sequence[tuple[str, str, int]]) -> None:
    """Write down when media were last asked for: server, id, time."""
    await tx.many(
        "UPDATE media SET last_access_ts = $3 WHERE server_name = $1 AND media_id = $2 AND last_access_ts < $3",
        list(accesses),
    )


async def expired_names(db: Reader, now_ms: int, limit: int) -> list[tuple[str, str]]:
    """Names that can get no content any more."""
    rows = await db.all(
        "SELECT server_name, media_id FROM media WHERE size_bytes IS NULL AND expires_ts <= $1 LIMIT $2", now_ms, limit
    )
    return [(row[0], row[1]) for row in rows]


def medium_of(row: Row) -> Medium:
    """From a row of `COLUMNS`."""
    return Medium(
        server_name=row[0],
        media_id=row[1],
        file_id=row[2],
        user_id=row[3],
        created_ts=row[4],
        expires_ts=row[5],
        content_type=row[6],
        upload_name=_text(row[7]),
        size_bytes=row[8],
        last_access_ts=row[9],
        quarantined_by=row[10],
        is_protected=bool(row[11]),
        needs_token=bool(row[12]),
        page_url=_text(row[13]),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "replace")


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", "replace")
