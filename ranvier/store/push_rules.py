"""What users have changed about their push rules: one row for each who has. Spec: client-server API, "Push Rules"."""

import msgspec

from ranvier.db.engine import Reader, Tx
from ranvier.proto.push_rules import UserRules


async def of_user(db: Reader, user_id: str) -> UserRules | None:
    """What the user has changed; None if nothing."""
    found = await db.value("SELECT rules FROM push_rules WHERE user_id = $1", user_id)
    return None if found is None else msgspec.json.decode(found, type=UserRules)


async def claim(tx: Tx, user_id: str) -> UserRules:
    """What the user has changed, for this transaction alone (on PostgreSQL the update makes others wait)."""
    found = await tx.value(
        "INSERT INTO push_rules (user_id, rules) VALUES ($1, $2)"
        " ON CONFLICT (user_id) DO UPDATE SET rules = push_rules.rules RETURNING rules",
        user_id,
        b"{}",
    )
    return msgspec.json.decode(found, type=UserRules)


async def save(tx: Tx, user_id: str, rules: bytes) -> None:
    """Set what the user has changed, encoded. There must be a row: see `claim`."""
    await tx.run("UPDATE push_rules SET rules = $2 WHERE user_id = $1", user_id, rules)


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """The user has the rules of the server again."""
    await tx.run("DELETE FROM push_rules WHERE user_id = $1", user_id)
