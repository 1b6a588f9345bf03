"""Devices of local users: their names, and when and from where they were last seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Row, Tx

_COLUMNS: Final = "device_id, display_name, last_seen_ts, last_seen_ip, last_seen_user_agent"


@dataclass(frozen=True, slots=True)
class Device:
    """One device of one user."""

    device_id: str
    display_name: str | None
    last_seen_ts: int | None
    last_seen_ip: str | None
    last_seen_user_agent: str | None


def _device(row: Row) -> Device:
    return Device(*row)


async def insert(tx: Tx, user_id: str, device_id: str, display_name: str | None) -> bool:
    """Whether the device is new; one that is known keeps its name."""
    changed = await tx.run(
        "INSERT INTO devices (user_id, device_id, display_name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        user_id,
        device_id,
        display_name,
    )
    return changed > 0


async def of_user(db: Reader, user_id: str) -> list[Device]:
    """All devices of a user, by id."""
    rows = await db.all(f"SELECT {_COLUMNS} FROM devices WHERE user_id = $1 ORDER BY device_id", user_id)
    return [_device(row) for row in rows]


async def page(db: Reader, after: tuple[str, str], *, limit: int) -> list[tuple[str, str, int | None]]:
    """Some devices of all users in order, from behind this one: user, device, when it was last seen."""
    rows = await db.all(
        "SELECT user_id, device_id, last_seen_ts FROM devices WHERE (user_id, device_id) > ($1, $2)"
        " ORDER BY user_id, device_id LIMIT $3",
        *after,
        limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def one(db: Reader, user_id: str, device_id: str) -> Device | None:
    """One device."""
    row = await db.one(f"SELECT {_COLUMNS} FROM devices WHERE user_id = $1 AND device_id = $2", user_id, device_id)
    return None if row is None else _device(row)


async def ids_of_user(db: Reader, user_id: str) -> list[str]:
    """The ids of a user's devices."""
    return [row[0] for row in await db.all("SELECT device_id FROM devices WHERE user_id = $1", user_id)]


async def rename(tx: Tx, user_id: str, device_id: str, display_name: str) -> bool:
    """Whether there is such a device."""
    return (
        await tx.run(
            "UPDATE devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2",
            user_id,
            device_id,
            display_name,
        )
        > 0
    )


async def delete(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
    """Forget devices; those that do not exist are no error."""
    await tx.run("DELETE FROM devices WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids))


async def save_last_seen(tx: Tx, rows: Sequence[tuple[str, str, int, str, str]]) -> None:
    """`(user_id, device_id, ts, ip, user_agent)`. One statement."""
    await tx.many(
        "UPDATE devices SET last_seen_ts = $3, last_seen_ip = $4, last_seen_user_agent = $5"
        " WHERE user_id = $1 AND device_id = $2",
        rows,
    )


async def forget_addresses(tx: Tx, *, before_ts: int) -> int:
    """From where devices were seen last if that was before this moment; of how many. One statement."""
    return await tx.run(
        "UPDATE devices SET last_seen_ip = NULL, last_seen_user_agent = NULL WHERE last_seen_ts < $1"
        " AND (last_seen_ip IS NOT NULL OR last_seen_user_agent IS NOT NULL)",
        before_ts,
    )
