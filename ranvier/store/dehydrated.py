"""Dehydrated devices (MSC3814): at most one a user."""

from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class DehydratedDevice:
    """A device that waits on the server for the user's next login."""

    device_id: str
    device_data: bytes
    """A JSON object."""


async def of_user(db: Reader, user_id: str) -> DehydratedDevice | None:
    """The user's dehydrated device."""
    row = await db.one("SELECT device_id, device_data FROM dehydrated_devices WHERE user_id = $1", user_id)
    return None if row is None else DehydratedDevice(row[0], bytes(row[1]))


async def save(tx: Tx, user_id: str, device: DehydratedDevice) -> None:
    """The user's dehydrated device is this one now."""
    await tx.run(
        "INSERT INTO dehydrated_devices (user_id, device_id, device_data) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, device_data = excluded.device_data",
        user_id,
        device.device_id,
        device.device_data,
    )


async def delete(tx: Tx, user_id: str, device_ids: list[str]) -> None:
    """Forget the user's dehydrated device if it is one of these."""
    await tx.run("DELETE FROM dehydrated_devices WHERE user_id = $1 AND device_id = ANY($2)", user_id, device_ids)
