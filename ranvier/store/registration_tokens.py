"""Tokens that allow registration. How many registrations are under way (`pending`) is known to their sessions only."""

from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx

_COLUMNS: Final = "token, uses_allowed, completed, expiry_ts"


@dataclass(frozen=True, slots=True)
class RegistrationTokenRow:
    """One token."""

    token: str
    uses_allowed: int | None
    completed: int
    expiry_ts: int | None


def _token(row: Row) -> RegistrationTokenRow:
    return RegistrationTokenRow(*row)


async def one(db: Reader, token: str) -> RegistrationTokenRow | None:
    """The token, valid or not."""
    row = await db.one(f"SELECT {_COLUMNS} FROM registration_tokens WHERE token = $1", token)
    return None if row is None else _token(row)


async def everything(db: Reader) -> list[RegistrationTokenRow]:
    """All tokens, by name."""
    return [_token(row) for row in await db.all(f"SELECT {_COLUMNS} FROM registration_tokens ORDER BY token")]


async def insert(tx: Tx, token: str, *, uses_allowed: int | None, expiry_ts: int | None) -> None:
    """Make a token. Raises `UniqueViolation` if there is one."""
    await tx.run(
        "INSERT INTO registration_tokens (token, uses_allowed, expiry_ts) VALUES ($1, $2, $3)",
        token,
        uses_allowed,
        expiry_ts,
    )


async def update(tx: Tx, token: str, *, uses_allowed: int | None, expiry_ts: int | None) -> bool:
    """Whether there is such a token."""
    return (
        await tx.run(
            "UPDATE registration_tokens SET uses_allowed = $2, expiry_ts = $3 WHERE token = $1",
            token,
            uses_allowed,
            expiry_ts,
        )
        > 0
    )


async def count_use(tx: Tx, token: str) -> bool:
    """Count a registration, unless there are as many as the token allows."""
    return (
        await tx.run(
            "UPDATE registration_tokens SET completed = completed + 1"
            " WHERE token = $1 AND (uses_allowed IS NULL OR completed < uses_allowed)",
            token,
        )
        > 0
    )


async def delete(tx: Tx, token: str) -> bool:
    """Whether there was such a token."""
    return await tx.run("DELETE FROM registration_tokens WHERE token = $1", token) > 0
