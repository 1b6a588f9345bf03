"""What other servers have been told of the devices of local users, and whom that has still to reach.

Spec: server-server API, "Device Management". `device_list_changes` is the stream of all changes; these tables say which
devices they were about, and which servers have not acknowledged them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Reader, Tx

CROSS_SIGNING: Final = ""
"""In the place of a device: the cross-signing keys."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What was told of one device."""

    device_id: str
    stream_pos: int
    """When it last changed."""
    digest: bytes | None
    """`None` if it is gone."""


async def of_user(db: Reader, user_id: str) -> dict[str, Announced]:
    """What was told of a user's devices, by device, in the order of the changes. One statement."""
    rows = await db.all(
        "SELECT device_id, stream_pos, digest FROM announced_devices WHERE user_id = $1 ORDER BY stream_pos", user_id
    )
    return {row[0]: Announced(row[0], row[1], None if row[2] is None else bytes(row[2])) for row in rows}


async def save(tx: Tx, user_id: str, announced: Sequence[Announced]) -> None:
    """Set what is told of devices. One statement."""
    await tx.many(
        "INSERT INTO announced_devices (user_id, device_id, stream_pos, digest) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET stream_pos = excluded.stream_pos, digest = excluded.digest",
        [(user_id, one.device_id, one.stream_pos, one.digest) for one in announced],
    )


async def delete_gone(tx: Tx, before_pos: int) -> None:
    """Forget devices that are gone, and of which everybody knows that. One statement."""
    await tx.run("DELETE FROM announced_devices WHERE digest IS NULL AND stream_pos <= $1", before_pos)


async def sent_pos(db: Reader) -> int | None:
    """Every change up to here is acknowledged, or waits in the outbox; `None` before the first start. One statement."""
    pos: int | None = await db.value("SELECT pos FROM device_list_sent WHERE one_row = 1")
    return pos


async def save_sent_pos(tx: Tx, pos: int) -> None:
    """Set it. One statement."""
    await tx.run(
        "INSERT INTO device_list_sent (one_row, pos) VALUES (1, $1) ON CONFLICT (one_row) DO UPDATE SET pos = $1", pos
    )


async def changed_after(db: Reader, pos: int) -> dict[str, int]:
    """Whose devices have changed after a position, and when they last did. One statement."""
    rows = await db.all(
        "SELECT user_id, stream_pos FROM device_list_changes WHERE stream_pos > $1 ORDER BY stream_pos", pos
    )
    return {row[0]: row[1] for row in rows}


async def outbox(db: Reader) -> list[tuple[str, str, int]]:
    """`(destination, user_id, since)` of everything that waits. One statement."""
    rows = await db.all("SELECT destination, user_id, since FROM device_list_outbox ORDER BY destination, since")
    return [(row[0], row[1], row[2]) for row in rows]


async def save_outbox(tx: Tx, waiting: Mapping[tuple[str, str], int], gone: Collection[tuple[str, str]]) -> None:
    """Set what waits, by destination and user, and forget what does not any more. Two statements, or fewer."""
    await tx.many(
        "INSERT INTO device_list_outbox (destination, user_id, since) VALUES ($1, $2, $3)"
        " ON CONFLICT (destination, user_id) DO UPDATE SET since = excluded.since",
        [(destination, user_id, since) for (destination, user_id), since in waiting.items()],
    )
    await tx.many("DELETE FROM device_list_outbox WHERE destination = $1 AND user_id = $2", list(gone))


async def raise_change(tx: Tx, user_id: str, stream_pos: int) -> None:
    """The user's last change counts as one at this position, if it was before. One statement."""
    await tx.run(
        "UPDATE device_list_changes SET stream_pos = $2 WHERE user_id = $1 AND stream_pos < $2", user_id, stream_pos
    )
