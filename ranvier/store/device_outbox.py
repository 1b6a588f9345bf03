"""Messages to devices on other servers that those have not acknowledged (spec: server-server API, "Send-to-device")."""

from collections.abc import Sequence

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, rows: Sequence[tuple[str, int, bytes]]) -> None:
    """`(destination, ts, edu)`, in the order in which they are to be sent. One statement."""
    await tx.many("INSERT INTO device_outbox (destination, ts, edu) VALUES ($1, $2, $3)", rows)


async def read(db: Reader, destination: str, *, after: int, limit: int) -> list[tuple[int, bytes]]:
    """`(outbox_nid, edu)` of the first that wait for a server. One statement."""
    rows = await db.all(
        "SELECT outbox_nid, edu FROM device_outbox WHERE destination = $1 AND outbox_nid > $2"
        " ORDER BY outbox_nid LIMIT $3",
        destination,
        after,
        limit,
    )
    return [(row[0], bytes(row[1])) for row in rows]


async def destinations(db: Reader) -> list[str]:
    """The servers that something waits for. One statement."""
    return [row[0] for row in await db.all("SELECT DISTINCT destination FROM device_outbox")]


async def delete(tx: Tx, rows: Sequence[tuple[str, int]]) -> None:
    """`(destination, outbox_nid)`: the server has acknowledged everything up to there. One statement."""
    await tx.many("DELETE FROM device_outbox WHERE destination = $1 AND outbox_nid <= $2", rows)


async def expire(tx: Tx, before_ts: int) -> None:
    """Drop what nobody has fetched for too long. One statement."""
    await tx.run("DELETE FROM device_outbox WHERE ts < $1", before_ts)
