"""Previews of pages, as they were shown. Table `url_previews`."""

from ranvier.db.engine import Reader, Tx


async def find(db: Reader, url_hash: bytes, now_ms: int) -> bytes | None:
    """The answer, if it is still fresh. One statement."""
    found = await db.value("SELECT answer FROM url_previews WHERE url_hash = $1 AND expires_ts > $2", url_hash, now_ms)
    return None if found is None else bytes(found)


async def save(tx: Tx, url_hash: bytes, answer: bytes, expires_ts: int) -> None:
    """Keep an answer."""
    await tx.run(
        "INSERT INTO url_previews (url_hash, answer, expires_ts) VALUES ($1, $2, $3)"
        " ON CONFLICT (url_hash) DO UPDATE SET answer = excluded.answer, expires_ts = excluded.expires_ts",
        url_hash,
        answer,
        expires_ts,
    )


async def forget_old(tx: Tx, now_ms: int) -> None:
    """Forget what is not fresh any more."""
    await tx.run("DELETE FROM url_previews WHERE expires_ts <= $1", now_ms)
