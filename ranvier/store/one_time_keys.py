"""One-time keys, each given out once, and the fallback keys that are given out when there are none.

Spec: client-server API, "One-time and fallback keys". A key that has been given out keeps its row for a while, with a
negative `seq`: whoever uploads it again, because the answer to the first upload was lost, does not bring it back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ranvier.db.engine import Reader, Tx

Device = tuple[str, str]
"""`(user_id, device_id)`."""


@dataclass(frozen=True, slots=True)
class ClaimedKey:
    """A key that has just been given out."""

    user_id: str
    device_id: str
    algorithm: str
    key_id: str
    key: bytes


@dataclass(slots=True)
class Counts:
    """What one device has left."""

    one_time: dict[str, int] = field(default_factory=dict)
    """By algorithm."""
    unused_fallback: list[str] = field(default_factory=list)
    """Algorithms."""


async def known(db: Reader, user_id: str, device_id: str, key_ids: Collection[str]) -> dict[tuple[str, str], bytes]:
    """Keys with these ids that are there, or were given out not long ago: by `(algorithm, key_id)`."""
    rows = await db.all(
        "SELECT algorithm, key_id, key FROM one_time_keys WHERE user_id = $1 AND device_id = $2 AND key_id = ANY($3)",
        user_id,
        device_id,
        list(key_ids),
    )
    return {(row[0], row[1]): bytes(row[2]) for row in rows}


async def insert(tx: Tx, rows: Sequence[tuple[str, str, str, int, str, bytes]]) -> None:
    """`(user_id, device_id, algorithm, seq, key_id, key)`; those that are there already stay. One statement."""
    await tx.many(
        "INSERT INTO one_time_keys (user_id, device_id, algorithm, seq, key_id, key) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (user_id, device_id, algorithm, key_id) DO NOTHING",
        rows,
    )


async def save_fallback(tx: Tx, rows: Sequence[tuple[str, str, str, str, bytes]]) -> None:
    """`(user_id, device_id, algorithm, key_id, key)`. The same key once more does not become unused. One statement."""
    await tx.many(
        "INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id, device_id, algorithm)"
        " DO UPDATE SET key_id = excluded.key_id, key = excluded.key, used = 0"
        " WHERE fallback_keys.key_id <> excluded.key_id OR fallback_keys.key <> excluded.key",
        rows,
    )


async def counts(db: Reader, user_id: str, device_id: str) -> Counts:
    """What a device has left. One statement."""
    found = Counts()
    for algorithm, number in await db.all(
        "SELECT algorithm, COUNT(*) FROM one_time_keys WHERE user_id = $1 AND device_id = $2 AND seq > 0"
        " GROUP BY algorithm UNION ALL SELECT algorithm, -1 FROM fallback_keys"
        " WHERE user_id = $1 AND device_id = $2 AND used = 0",
        user_id,
        device_id,
    ):
        if number < 0:
            found.unused_fallback.append(algorithm)
        else:
            found.one_time[algorithm] = number
    return found


async def claim(tx: Tx, algorithm: str, devices: Sequence[Device], *, each: int, now_ms: int) -> list[ClaimedKey]:
    """Give out the oldest keys of each device, at most `each`. One statement.

    Run by one caller at a time: on PostgreSQL the second of two would miss keys that the first did not take.
    """
    rows = await tx.all(
        "WITH picked AS MATERIALIZED (SELECT d.user_id AS owner, d.device_id AS device, (SELECT MAX(oldest.seq) FROM"
        " (SELECT k.seq FROM one_time_keys k WHERE k.user_id = d.user_id AND k.device_id = d.device_id"
        " AND k.algorithm = $2 AND k.seq > 0 ORDER BY k.seq LIMIT $5) oldest) AS last"
        " FROM devices d WHERE d.user_id = ANY($3) AND d.user_id || ' ' || d.device_id = ANY($4))"
        " UPDATE one_time_keys SET seq = $1 FROM picked WHERE user_id = owner AND device_id = device"
        " AND algorithm = $2 AND seq > 0 AND seq <= last RETURNING user_id, device_id, key_id, key",
        -now_ms,
        algorithm,
        list({user_id for user_id, _ in devices}),
        [_text(device) for device in devices],
        each,
    )
    return [ClaimedKey(row[0], row[1], algorithm, row[2], bytes(row[3])) for row in rows]


async def claim_fallback(tx: Tx, algorithm: str, devices: Sequence[Device]) -> list[ClaimedKey]:
    """Give out the fallback keys of devices, of those that have one. One statement."""
    rows = await tx.all(
        "UPDATE fallback_keys SET used = 1 WHERE algorithm = $1 AND user_id = ANY($2)"
        " AND user_id || ' ' || device_id = ANY($3) RETURNING user_id, device_id, key_id, key",
        algorithm,
        list({user_id for user_id, _ in devices}),
        [_text(device) for device in devices],
    )
    return [ClaimedKey(row[0], row[1], algorithm, row[2], bytes(row[3])) for row in rows]


async def forget_claimed(tx: Tx, before_ms: int) -> None:
    """Forget the keys that were given out before this time."""
    await tx.run("DELETE FROM one_time_keys WHERE seq < 0 AND seq > $1", -before_ms)


async def delete_of_devices(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
    """Forget every key of some devices. Two statements."""
    for table in ("one_time_keys", "fallback_keys"):
        await tx.run(f"DELETE FROM {table} WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids))


def _text(device: Device) -> str:
    """Both ids as one text. A server name has no blank, so that it can only be read in one way."""
    return f"{device[0]} {device[1]}"
