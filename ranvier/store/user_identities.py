"""Who a user is elsewhere: at identity providers, by e-mail, by telephone; and which experiments they take part in."""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx
from ranvier.store import pushers


@dataclass(frozen=True, slots=True)
class ThreepidRow:
    """One address or number."""

    medium: str
    address: str
    validated_at: int
    added_at: int


async def external_ids(db: Reader, user_id: str) -> list[tuple[str, str]]:
    """`(auth_provider, external_id)` of a user, in order."""
    rows = await db.all(
        "SELECT auth_provider, external_id FROM user_external_ids WHERE user_id = $1 ORDER BY auth_provider, external_id",
        user_id,
    )
    return [(row[0], row[1]) for row in rows]


async def by_external_id(db: Reader, auth_provider: str, external_id: str) -> str | None:
    """Whose it is."""
    user_id: str | None = await db.value(
        "SELECT user_id FROM user_external_ids WHERE auth_provider = $1 AND external_id = $2",
        auth_provider,
        external_id,
    )
    return user_id


async def replace_external_ids(tx: Tx, user_id: str, ids: Sequence[tuple[str, str]]) -> None:
    """Let the user have these and no others. Raises `UniqueViolation` if another has one of them."""
    await tx.run("DELETE FROM user_external_ids WHERE user_id = $1", user_id)
    await tx.many(
        "INSERT INTO user_external_ids (auth_provider, external_id, user_id) VALUES ($1, $2, $3)",
        [(provider, external_id, user_id) for provider, external_id in ids],
    )


async def add_external_id(tx: Tx, user_id: str, auth_provider: str, external_id: str) -> None:
    """Let the user have one more. Raises `UniqueViolation` if somebody has it."""
    await tx.run(
        "INSERT INTO user_external_ids (auth_provider, external_id, user_id) VALUES ($1, $2, $3)",
        auth_provider,
        external_id,
        user_id,
    )


async def threepids(db: Reader, user_id: str) -> list[ThreepidRow]:
    """Those of a user, in order."""
    rows = await db.all(
        "SELECT medium, address, validated_at, added_at FROM user_threepids WHERE user_id = $1"
        " ORDER BY medium, address",
        user_id,
    )
    return [ThreepidRow(*row) for row in rows]


async def by_threepid(db: Reader, medium: str, address: str) -> str | None:
    """Whose it is."""
    user_id: str | None = await db.value(
        "SELECT user_id FROM user_threepids WHERE medium = $1 AND address = $2", medium, address
    )
    return user_id


async def replace_threepids(tx: Tx, user_id: str, rows: Sequence[ThreepidRow]) -> None:
    """Let the user have these and no others. Raises `UniqueViolation` if another has one of them."""
    await tx.run("DELETE FROM user_threepids WHERE user_id = $1", user_id)
    await tx.many(
        "INSERT INTO user_threepids (medium, address, user_id, validated_at, added_at) VALUES ($1, $2, $3, $4, $5)",
        [(row.medium, row.address, user_id, row.validated_at, row.added_at) for row in rows],
    )
    await pushers.delete_without_address(tx, user_id)


async def add_threepid(tx: Tx, user_id: str, row: ThreepidRow) -> None:
    """Let the user have one more. Raises `UniqueViolation` if somebody has it."""
    await tx.run(
        "INSERT INTO user_threepids (medium, address, user_id, validated_at, added_at) VALUES ($1, $2, $3, $4, $5)",
        row.medium,
        row.address,
        user_id,
        row.validated_at,
        row.added_at,
    )


async def remove_threepid(tx: Tx, user_id: str, medium: str, address: str) -> bool:
    """Let the user have one less; whether they had it."""
    removed = await tx.run(
        "DELETE FROM user_threepids WHERE user_id = $1 AND medium = $2 AND address = $3", user_id, medium, address
    )
    if removed:
        await pushers.delete_without_address(tx, user_id)
    return removed > 0


async def delete_of_user(tx: Tx, user_id: str) -> None:
    """The account is closed."""
    await tx.run("DELETE FROM user_external_ids WHERE user_id = $1", user_id)
    await tx.run("DELETE FROM user_threepids WHERE user_id = $1", user_id)
    await pushers.delete_without_address(tx, user_id)


async def features(db: Reader, user_id: str) -> dict[str, bool]:
    """What was set for a user, on or off."""
    rows = await db.all("SELECT feature, enabled FROM user_experimental_features WHERE user_id = $1", user_id)
    return {row[0]: bool(row[1]) for row in rows}


async def set_features(tx: Tx, user_id: str, wanted: Sequence[tuple[str, bool]]) -> None:
    """Switch some on or off; the others stay."""
    await tx.many(
        "INSERT INTO user_experimental_features (user_id, feature, enabled) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id, feature) DO UPDATE SET enabled = excluded.enabled",
        [(user_id, feature, int(enabled)) for feature, enabled in wanted],
    )
