"""Which version of the policy users have agreed to, and of which they have been told."""

from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What is known of one account. Agreeing itself is noted by `users.set_consent`."""

    version: str | None
    """Agreed to last."""
    ts: int | None
    notice_sent: str | None
    """The version that they were last asked to agree to."""
    is_guest: bool = False
    user_type: str | None = None
    appservice_id: str | None = None


async def of_user(db: Reader, user_id: str) -> ConsentRow | None:
    """`None`: there is no such account."""
    row = await db.one(
        "SELECT consent_version, consent_ts, consent_server_notice_sent, is_guest, user_type, appservice_id"
        " FROM users WHERE name = $1",
        user_id,
    )
    return None if row is None else ConsentRow(row[0], row[1], row[2], bool(row[3]), row[4], row[5])


async def set_notice_sent(tx: Tx, user_id: str, version: str) -> None:
    """The user has been asked to agree to this version."""
    await tx.run("UPDATE users SET consent_server_notice_sent = $2 WHERE name = $1", user_id, version)
