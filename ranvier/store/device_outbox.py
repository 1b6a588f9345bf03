"""Messages to devices on other servers that those have not acknowledged (spec: server-server API, "Send-to-device")."""

from collections.abc import Collection, Sequence

from ranvier.db.engine import Reader, Tx


async def insert(tx: Tx, rows: Sequence[tuple[str, int, bytes]]) -> None:
    """`(destination, ts, edu)`, in the order in which they are to be sent. One statement."""
    await tx.many("INSERT INTO device_outbox (destination, ts, edu) VALUES ($1, $2, $3)", rows)


async def read(db: Reader, destination: str, *, without: Collection[int], limit: int) -> list[tuple[int, bytes]]:
    """`(outbox_nid, edu)` of the first that wait for a server and are not among those. One statement.

    There is no "after": a number may be committed later than greater ones.
    """
    rows = await db.all(
        "SELECT outbox_nid, edu FROM device_outbox WHERE destination = $1 AND outbox_nid <> ALL($2)"
        " ORDER BY outbox_nid LIMIT $3",
        destination,
        list(without),
        limit,
    )
    return [(row[0], bytes(row[1])) for row in rows]


async def destinations(db: Reader) -> list[str]:
    """The servers that something waits for. One statement."""
    return [row[0] for row in await db.all("SELECT DISTINCT destination FROM device_outbox")]


async def delete(tx: Tx, outbox_nids: Collection[int]) -> None:
    """These have been acknowledged. One statement, none if there is nothing."""
    if outbox_nids:
        await tx.run("DELETE FROM device_outbox WHERE outbox_nid = ANY($1)", list(outbox_nids))


async def expire(tx: Tx, before_ts: int) -> None:
    """Drop what nobody has fetched for too long. One statement."""
    await tx.run("DELETE FROM device_outbox WHERE ts < $1", before_ts)
