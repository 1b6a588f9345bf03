"""Cross-signing keys of users, and the signatures that were added to keys after their upload."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Row, Tx


@dataclass(frozen=True, slots=True)
class CrossSigningRow:
    """One cross-signing key."""

    user_id: str
    usage: str
    public_key: str
    key: bytes
    """A `CrossSigningKey` object as canonical JSON."""


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """One signature."""

    signer: str
    target: str
    """The user whose key is signed."""
    target_id: str
    """A device id or a public key."""
    signing_key: str
    """`ed25519:` and a device id or a public key."""
    signature: str


def _key(row: Row) -> CrossSigningRow:
    return CrossSigningRow(row[0], row[1], row[2], bytes(row[3]))


async def of_users(db: Reader, user_ids: Collection[str]) -> list[CrossSigningRow]:
    """Every key of some users. One statement."""
    rows = await db.all(
        "SELECT user_id, usage, public_key, key FROM cross_signing_keys WHERE user_id = ANY($1)", list(user_ids)
    )
    return [_key(row) for row in rows]


async def save(tx: Tx, rows: Sequence[CrossSigningRow]) -> None:
    """Set keys. One statement."""
    await tx.many(
        "INSERT INTO cross_signing_keys (user_id, usage, public_key, key) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, usage) DO UPDATE SET public_key = excluded.public_key, key = excluded.key",
        [(row.user_id, row.usage, row.public_key, row.key) for row in rows],
    )


async def delete(tx: Tx, user_id: str, usages: Sequence[str]) -> None:
    """Forget keys."""
    await tx.run("DELETE FROM cross_signing_keys WHERE user_id = $1 AND usage = ANY($2)", user_id, list(usages))


async def is_public_key(db: Reader, user_id: str, public_key: str) -> bool:
    """Whether the user has a cross-signing key with this public key."""
    found = await db.value(
        "SELECT 1 FROM cross_signing_keys WHERE user_id = $1 AND public_key = $2", user_id, public_key
    )
    return found is not None


async def own_signatures(db: Reader, user_ids: Collection[str]) -> list[SignatureRow]:
    """What users have signed of their own. One statement."""
    rows = await db.all(
        "SELECT signer, target, target_id, signing_key, signature FROM key_signatures"
        " WHERE signer = ANY($1) AND target = signer",
        list(user_ids),
    )
    return [SignatureRow(*row) for row in rows]


async def given_signatures(db: Reader, signer: str) -> list[SignatureRow]:
    """What a user has signed of others'. One statement."""
    rows = await db.all(
        "SELECT signer, target, target_id, signing_key, signature FROM key_signatures"
        " WHERE signer = $1 AND target <> signer",
        signer,
    )
    return [SignatureRow(*row) for row in rows]


async def sign(tx: Tx, rows: Sequence[SignatureRow]) -> None:
    """Add signatures. One statement."""
    await tx.many(
        "INSERT INTO key_signatures (signer, target, target_id, signing_key, signature) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (signer, target, target_id, signing_key) DO UPDATE SET signature = excluded.signature",
        [(row.signer, row.target, row.target_id, row.signing_key, row.signature) for row in rows],
    )


async def delete_signatures_of(tx: Tx, user_id: str, target_ids: Sequence[str]) -> None:
    """Forget what the user has signed with these keys, or signed of them. One statement."""
    await tx.run(
        "DELETE FROM key_signatures WHERE signer = $1 AND (signing_key = ANY($2) OR (target = $1 AND target_id = ANY($3)))",
        user_id,
        [f"ed25519:{target_id}" for target_id in target_ids],
        list(target_ids),
    )


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """Forget a user's keys and what they have signed. Two statements."""
    await tx.run("DELETE FROM cross_signing_keys WHERE user_id = $1", user_id)
    await tx.run("DELETE FROM key_signatures WHERE signer = $1", user_id)
