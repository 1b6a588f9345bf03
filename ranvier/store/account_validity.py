"""Until when accounts are good."""

from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the token of a mail stands for."""

    user_id: str
    expires_ts: int
    used: bool


async def all_terms(db: Reader) -> dict[str, int]:
    """When each account ends."""
    return {row[0]: row[1] for row in await db.all("SELECT user_id, expires_ts FROM account_validity")}


async def add_missing(tx: Tx, expires_ts: int) -> None:
    """Every account that has no term yet gets this one; those of guests and application services have none."""
    await tx.run(
        "INSERT INTO account_validity (user_id, expires_ts) SELECT u.name, $1 FROM users u WHERE u.is_guest = 0"
        " AND u.deactivated = 0 AND u.appservice_id IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM account_validity v WHERE v.user_id = u.name)",
        expires_ts,
    )


async def set_term(tx: Tx, user_id: str, expires_ts: int, *, mails: bool) -> None:
    """An account is good until then."""
    await tx.run(
        "INSERT INTO account_validity (user_id, expires_ts, mails) VALUES ($1, $2, $3) ON CONFLICT (user_id)"
        " DO UPDATE SET expires_ts = excluded.expires_ts, mails = excluded.mails, mailed_ts = NULL",
        user_id,
        expires_ts,
        int(mails),
    )


async def renew(tx: Tx, user_id: str, expires_ts: int, *, used_ts: int) -> None:
    """The token of a mail has renewed an account."""
    await tx.run(
        "UPDATE account_validity SET expires_ts = $2, used_ts = $3, mailed_ts = NULL WHERE user_id = $1",
        user_id,
        expires_ts,
        used_ts,
    )


async def set_token(tx: Tx, user_id: str, digest: bytes) -> None:
    """Another token is about to be sent."""
    await tx.run("UPDATE account_validity SET renewal_digest = $2, used_ts = NULL WHERE user_id = $1", user_id, digest)


async def set_mailed(tx: Tx, user_id: str, mailed_ts: int) -> None:
    """It was sent."""
    await tx.run("UPDATE account_validity SET mailed_ts = $2 WHERE user_id = $1", user_id, mailed_ts)


async def by_token(db: Reader, digest: bytes) -> Renewal | None:
    """Whose account a token renews."""
    row = await db.one("SELECT user_id, expires_ts, used_ts FROM account_validity WHERE renewal_digest = $1", digest)
    return None if row is None else Renewal(row[0], row[1], row[2] is not None)


async def to_be_mailed(db: Reader, until_ts: int, *, limit: int) -> list[str]:
    """Some whose account ends before then, who have an address and were not written to."""
    rows = await db.all(
        "SELECT v.user_id FROM account_validity v WHERE v.expires_ts <= $1 AND v.mailed_ts IS NULL AND v.mails = 1"
        " AND EXISTS (SELECT 1 FROM user_threepids t WHERE t.user_id = v.user_id AND t.medium = 'email')"
        " ORDER BY v.expires_ts LIMIT $2",
        until_ts,
        limit,
    )
    return [row[0] for row in rows]
