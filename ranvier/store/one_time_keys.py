"""One-time keys, each given out once, and the fallback keys that are given out when there are none.

Spec: client-server API, "One-time and fallback keys". The keys of a device and algorithm are numbered in the order of
upload; a queue says how many of them have been given out. Keys that have been given out are known for a while: whoever
uploads them again, because the answer to the first upload was lost, does not bring them back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ranvier.db.engine import Reader, Tx

Device = tuple[str, str]
"""`(user_id, device_id)`."""
Key = msgspec.Raw | msgspec.Struct
"""A key: canonical JSON, or what `encode_key` makes that of."""

IN_A_ROW: Final = 20
"""A row of so many fills one page besides its own on SQLite; with more, giving out a key would read another."""
_LONGEST_ROW: Final = 25
"""Rows were longer once."""
encode_key: Final = msgspec.json.Encoder(order="sorted").encode
_NAMES: Final = msgspec.json.Decoder(list[str])
_KEYS: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class ClaimedKey:
    """A key that has just been given out."""

    user_id: str
    device_id: str
    algorithm: str
    key_id: str
    key: bytes

    @property
    def device(self) -> Device:
        """Whose key it was."""
        return (self.user_id, self.device_id)


class Batch(NamedTuple):
    """Some keys of one upload, without the keys."""

    algorithm: str
    first_no: int
    ts: int
    number: int
    """How many keys there are."""
    names_json: str
    """As they are stored: `names_of` tells them."""

    @property
    def last_no(self) -> int:
        """The number of the last key."""
        return self.first_no + self.number - 1


@dataclass(slots=True)
class Queue:
    """The keys of one device and algorithm."""

    uploaded: int
    """The number of the last key."""
    given: int
    """Keys up to this number have been given out."""


@dataclass(slots=True)
class Counts:
    """What one device has left."""

    one_time: dict[str, int] = field(default_factory=dict)
    """By algorithm."""
    unused_fallback: list[str] = field(default_factory=list)
    """Algorithms."""


async def lengthen(tx: Tx, user_id: str, device_id: str, algorithm: str, number: int) -> Queue:
    """Make room for more keys at the end of a queue, which nobody else can change until the commit. One statement."""
    rows = await tx.all(
        "INSERT INTO one_time_key_queues (user_id, device_id, algorithm, uploaded) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, device_id, algorithm)"
        " DO UPDATE SET uploaded = one_time_key_queues.uploaded + excluded.uploaded RETURNING uploaded, given",
        user_id,
        device_id,
        algorithm,
        number,
    )
    return Queue(rows[0][0], rows[0][1])


async def shorten(tx: Tx, user_id: str, device_id: str, algorithm: str, number: int) -> None:
    """Some of the room was not needed. One statement."""
    await tx.run(
        "UPDATE one_time_key_queues SET uploaded = uploaded - $4"
        " WHERE user_id = $1 AND device_id = $2 AND algorithm = $3",
        user_id,
        device_id,
        algorithm,
        number,
    )


async def batches(db: Reader, user_id: str, device_id: str) -> list[Batch]:
    """What a device has uploaded, as far as it is remembered. One statement."""
    rows = await db.all(
        "SELECT algorithm, first_no, ts, number, names FROM one_time_key_batches WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return list(map(Batch._make, rows))


def names_of(batches: Sequence[Batch]) -> list[list[str]]:
    """The key ids of each batch."""
    return [[batch.names_json] if batch.number == 1 else _NAMES.decode(batch.names_json) for batch in batches]


async def keys_of(db: Reader, user_id: str, device_id: str, wanted: Collection[Batch]) -> dict[tuple[str, str], bytes]:
    """The keys of some batches, by `(algorithm, key id)`. One statement a batch."""
    found = {}
    for batch in wanted:
        keys = await db.value(
            "SELECT keys FROM one_time_key_batches"
            " WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND first_no = $4",
            user_id,
            device_id,
            batch.algorithm,
            batch.first_no,
        )
        for index, name in enumerate(names_of([batch])[0]):
            found[batch.algorithm, name] = _key(keys, index, batch.number)
    return found


async def insert(tx: Tx, device: Device, algorithm: str, keys: Mapping[str, Key], *, first_no: int, ts: int) -> None:
    """Store keys, by their ids, in a place that was made for them. One statement."""
    names, values = list(keys), list(keys.values())
    await tx.many(
        "INSERT INTO one_time_key_batches (user_id, device_id, algorithm, first_no, number, ts, names, keys)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (*device, algorithm, first_no + begin, *_row(names[begin : begin + IN_A_ROW], values, begin, ts))
            for begin in range(0, len(names), IN_A_ROW)
        ],
    )


async def delete_batches(tx: Tx, user_id: str, device_id: str, unneeded: Collection[Batch]) -> None:
    """Forget keys that were given out long ago. One statement, or none."""
    await tx.many(
        "DELETE FROM one_time_key_batches WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND first_no = $4",
        [(user_id, device_id, batch.algorithm, batch.first_no) for batch in unneeded],
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
        "SELECT algorithm, uploaded - given FROM one_time_key_queues"
        " WHERE user_id = $1 AND device_id = $2 AND uploaded > given UNION ALL SELECT algorithm, -1 FROM fallback_keys"
        " WHERE user_id = $1 AND device_id = $2 AND used = 0",
        user_id,
        device_id,
    ):
        if number < 0:
            found.unused_fallback.append(algorithm)
        else:
            found.one_time[algorithm] = number
    return found


async def claim(tx: Tx, algorithm: str, devices: Sequence[Device]) -> list[ClaimedKey]:
    """Give out the oldest key of each device, of those that have one. Two statements."""
    claimed = await tx.all(
        "UPDATE one_time_key_queues SET given = given + 1 WHERE algorithm = $1 AND given < uploaded"
        " AND user_id = ANY($2) AND user_id || ' ' || device_id = ANY($3) RETURNING user_id, device_id",
        algorithm,
        *_texts(devices),
    )
    if not claimed:
        return []
    rows = await tx.all(
        "SELECT q.user_id, q.device_id, q.given - b.first_no, b.number, b.names, b.keys"
        # SQLite takes the tables of a CROSS JOIN in this order, which it would not by itself.
        " FROM one_time_key_queues q CROSS JOIN one_time_key_batches b"
        " WHERE q.algorithm = $1 AND q.user_id = ANY($2) AND q.user_id || ' ' || q.device_id = ANY($3)"
        " AND b.user_id = q.user_id AND b.device_id = q.device_id AND b.algorithm = q.algorithm"
        " AND b.first_no <= q.given AND b.first_no > q.given - $4 AND b.first_no + b.number > q.given",
        algorithm,
        *_texts([(row[0], row[1]) for row in claimed]),
        _LONGEST_ROW,
    )
    return [
        ClaimedKey(row[0], row[1], algorithm, _name(row[4], row[2], row[3]), _key(row[5], row[2], row[3]))
        for row in rows
    ]


async def claim_fallback(tx: Tx, algorithm: str, devices: Sequence[Device]) -> list[ClaimedKey]:
    """Give out the fallback keys of devices, of those that have one. One statement."""
    rows = await tx.all(
        "UPDATE fallback_keys SET used = 1 WHERE algorithm = $1 AND user_id = ANY($2)"
        " AND user_id || ' ' || device_id = ANY($3) RETURNING user_id, device_id, key_id, key",
        algorithm,
        *_texts(devices),
    )
    return [ClaimedKey(row[0], row[1], algorithm, row[2], bytes(row[3])) for row in rows]


async def delete_of_devices(tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
    """Forget every key of some devices. Three statements."""
    for table in ("one_time_key_queues", "one_time_key_batches", "fallback_keys"):
        await tx.run(f"DELETE FROM {table} WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids))


def _texts(devices: Sequence[Device]) -> tuple[list[str], list[str]]:
    """The users, and both ids as one text. A server name has no blank, so that it can only be read in one way."""
    return list({user_id for user_id, _ in devices}), [f"{user_id} {device_id}" for user_id, device_id in devices]


def _row(names: Sequence[str], keys: Sequence[Key], begin: int, ts: int) -> tuple[int, int, str, bytes]:
    """Keys of these names begin at `begin`."""
    number = len(names)
    if number == 1:
        return 1, ts, names[0], encode_key(keys[begin])
    return number, ts, msgspec.json.encode(names).decode(), encode_key(keys[begin : begin + number])


def _name(names: str, index: int, number: int) -> str:
    return names if number == 1 else _NAMES.decode(names)[index]


def _key(keys: bytes, index: int, number: int) -> bytes:
    return bytes(keys) if number == 1 else bytes(_KEYS.decode(keys)[index])
