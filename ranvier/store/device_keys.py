"""Identity keys of devices, as their clients uploaded them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class DeviceKeysRow:
    """The keys of one device."""

    user_id: str
    device_id: str
    keys: bytes
    """A `DeviceKeys` object as canonical JSON."""
    display_name: str | None


async def save(tx: Tx, user_id: str, device_id: str, keys: bytes) -> bool:
    """Whether this is another value than before."""
    return (
        await tx.run(
            "INSERT INTO device_keys (user_id, device_id, keys) VALUES ($1, $2, $3)"
            " ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys"
            " WHERE device_keys.keys <> excluded.keys",
            user_id,
            device_id,
            keys,
        )
        > 0
    )


async def of_users(db: Reader, user_ids: Collection[str]) -> list[DeviceKeysRow]:
    """The keys of every device of some users. One statement."""
    rows = await db.all(
        "SELECT k.user_id, k.device_id, k.keys, d.display_name FROM device_keys k"
        " JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id"
        " WHERE k.user_id = ANY($1) ORDER BY k.user_id, k.device_id",
        list(user_ids),
    )
    return [DeviceKeysRow(row[0], row[1], bytes(row[2]), row[3]) for row in rows]


async def delete(tx: Tx, user_id: str, device_ids: Sequence[str]) -> bool:
    """Forget the keys of some devices; whether any had keys."""
    return (
        await tx.run("DELETE FROM device_keys WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids))
        > 0
    )
