"""Sessions in which somebody proves that an address is theirs, and the tokens that were sent to it."""

from dataclasses import dataclass

from ranvier.db.engine import Reader, Row, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One session."""

    session_id: str
    purpose: str
    medium: str
    address: str
    client_secret: bytes
    """Its digest."""
    last_send_attempt: int
    validated_ts: int | None
    expires_ts: int


_COLUMNS = "session_id, purpose, medium, address, client_secret, last_send_attempt, validated_ts, expires_ts"


async def by_id(db: Reader, session_id: str) -> ValidationRow | None:
    """One session."""
    return _row(await db.one(f"SELECT {_COLUMNS} FROM threepid_validations WHERE session_id = $1", session_id))


async def of_address(
    db: Reader, purpose: str, medium: str, address: str, client_secret: bytes, *, now_ms: int
) -> ValidationRow | None:
    """The session that a client has begun for an address, if it is not over."""
    return _row(
        await db.one(
            f"SELECT {_COLUMNS} FROM threepid_validations WHERE address = $1 AND purpose = $2 AND medium = $3"
            " AND client_secret = $4 AND expires_ts > $5 ORDER BY expires_ts DESC LIMIT 1",
            address,
            purpose,
            medium,
            client_secret,
            now_ms,
        )
    )


async def insert(tx: Tx, row: ValidationRow) -> None:
    """A new session."""
    await tx.run(
        f"INSERT INTO threepid_validations ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.session_id,
        row.purpose,
        row.medium,
        row.address,
        row.client_secret,
        row.last_send_attempt,
        row.validated_ts,
        row.expires_ts,
    )


async def add_token(tx: Tx, session_id: str, digest: bytes, *, next_link: str | None, expires_ts: int) -> None:
    """A token that is about to be sent; the session lives as long as it."""
    await tx.run(
        "INSERT INTO threepid_validation_tokens (session_id, digest, next_link, expires_ts) VALUES ($1, $2, $3, $4)",
        session_id,
        digest,
        next_link,
        expires_ts,
    )
    await tx.run("UPDATE threepid_validations SET expires_ts = $2 WHERE session_id = $1", session_id, expires_ts)


async def set_send_attempt(tx: Tx, session_id: str, send_attempt: int) -> None:
    """A mail has gone out."""
    await tx.run(
        "UPDATE threepid_validations SET last_send_attempt = $2 WHERE session_id = $1 AND last_send_attempt < $2",
        session_id,
        send_attempt,
    )


async def tokens(db: Reader, session_id: str) -> list[tuple[bytes, str | None, int]]:
    """`(digest, next_link, expires_ts)` of what was sent."""
    rows = await db.all(
        "SELECT digest, next_link, expires_ts FROM threepid_validation_tokens WHERE session_id = $1", session_id
    )
    return [(bytes(row[0]), row[1], row[2]) for row in rows]


async def set_validated(tx: Tx, session_id: str, validated_ts: int, *, expires_ts: int) -> None:
    """Somebody has followed the link."""
    await tx.run(
        "UPDATE threepid_validations SET validated_ts = $2, expires_ts = $3"
        " WHERE session_id = $1 AND validated_ts IS NULL",
        session_id,
        validated_ts,
        expires_ts,
    )


async def delete(tx: Tx, session_id: str) -> bool:
    """The proof was used; whether it was there to be used."""
    await tx.run("DELETE FROM threepid_validation_tokens WHERE session_id = $1", session_id)
    return await tx.run("DELETE FROM threepid_validations WHERE session_id = $1", session_id) > 0


async def expire(tx: Tx, *, now_ms: int) -> None:
    """Forget what is over."""
    await tx.run("DELETE FROM threepid_validation_tokens WHERE expires_ts <= $1", now_ms)
    await tx.run("DELETE FROM threepid_validations WHERE expires_ts <= $1", now_ms)


def _row(row: Row | None) -> ValidationRow | None:
    if row is None:
        return None
    session_id, purpose, medium, address, client_secret, last_send_attempt, validated_ts, expires_ts = row
    return ValidationRow(
        session_id=session_id,
        purpose=purpose,
        medium=medium,
        address=address,
        client_secret=bytes(client_secret),
        last_send_attempt=last_send_attempt,
        validated_ts=validated_ts,
        expires_ts=expires_ts,
    )
