"""Devices and cross-signing keys of users of other servers, as their servers told of them.

Spec: server-server API, "Device Management". A row is a user; the keys are JSON, put together from what came.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import orjson

from ranvier.db.engine import Reader, Tx

UNKNOWN: Final = -1
"""The `stream_id` of a list that came without one."""
GREATEST: Final = (1 << 63) - 1
"""`stream_id` that can be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceList:
    """One user's devices and keys."""

    stream_id: int
    synced_pos: int
    """Position of the event stream when the whole list was asked for."""
    is_stale: bool = False
    devices: Mapping[str, bytes] = field(default_factory=dict)
    """`DeviceKeys` by device, as JSON."""
    master: bytes | None = None
    self_signing: bytes | None = None


class _Keys(msgspec.Struct):
    devices: dict[str, msgspec.Raw]
    cross_signing: dict[str, msgspec.Raw]


_DECODER: Final = msgspec.json.Decoder(_Keys)


async def of_users(db: Reader, user_ids: Collection[str]) -> dict[str, DeviceList]:
    """What is known of some users. One statement."""
    rows = await db.all(
        "SELECT user_id, stream_id, synced_pos, is_stale, keys FROM remote_device_lists WHERE user_id = ANY($1)",
        list(user_ids),
    )
    return {row[0]: _decode(row[1], row[2], row[3], bytes(row[4])) for row in rows}


async def stale_users(db: Reader) -> list[str]:
    """Whose lists have to be asked for again. One statement."""
    return [row[0] for row in await db.all("SELECT user_id FROM remote_device_lists WHERE is_stale = 1")]


async def save(tx: Tx, lists: Mapping[str, DeviceList]) -> None:
    """Set what is known of some users. One statement, none if there are none."""
    await tx.many(
        "INSERT INTO remote_device_lists (user_id, stream_id, synced_pos, is_stale, keys) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id) DO UPDATE SET stream_id = excluded.stream_id, synced_pos = excluded.synced_pos,"
        " is_stale = excluded.is_stale, keys = excluded.keys",
        [
            (user_id, known.stream_id, known.synced_pos, int(known.is_stale), _encode(known))
            for user_id, known in lists.items()
        ],
    )


async def delete(tx: Tx, user_ids: Sequence[str]) -> None:
    """Forget some users. One statement."""
    await tx.run("DELETE FROM remote_device_lists WHERE user_id = ANY($1)", list(user_ids))


def _encode(known: DeviceList) -> bytes:
    cross_signing = {"master": known.master, "self_signing": known.self_signing}
    return b'{"devices":%b,"cross_signing":%b}' % (
        _object(known.devices),
        _object({name: key for name, key in cross_signing.items() if key is not None}),
    )


def _decode(stream_id: int, synced_pos: int, is_stale: int, encoded: bytes) -> DeviceList:
    keys = _DECODER.decode(encoded)
    cross_signing = {name: bytes(key) for name, key in keys.cross_signing.items()}
    return DeviceList(
        stream_id=stream_id,
        synced_pos=synced_pos,
        is_stale=bool(is_stale),
        devices={device_id: bytes(device) for device_id, device in keys.devices.items()},
        master=cross_signing.get("master"),
        self_signing=cross_signing.get("self_signing"),
    )


def _object(values: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), value) for name, value in values.items())
