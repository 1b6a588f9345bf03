"""Names of rooms on this server. Spec: client-server API, "Room Aliases"."""

from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class Alias:
    """One alias."""

    alias: str
    room_nid: int
    creator: str


async def find(db: Reader, alias: str) -> Alias | None:
    """The alias, if it is one of ours."""
    row = await db.one("SELECT alias, room_nid, creator FROM room_aliases WHERE alias = $1", alias)
    return None if row is None else Alias(*row)


async def room_of(db: Reader, alias: str) -> int | None:
    """The number of the room that a local alias names."""
    nid: int | None = await db.value("SELECT room_nid FROM room_aliases WHERE alias = $1", alias)
    return nid


async def of_room(db: Reader, room_nid: int) -> list[str]:
    """The local aliases of a room, in alphabetical order."""
    rows = await db.all("SELECT alias FROM room_aliases WHERE room_nid = $1 ORDER BY alias", room_nid)
    return [row[0] for row in rows]


async def insert(tx: Tx, alias: Alias) -> None:
    """Name a room. Raises `UniqueViolation` if the alias is taken."""
    await tx.run(
        "INSERT INTO room_aliases (alias, room_nid, creator) VALUES ($1, $2, $3)",
        alias.alias,
        alias.room_nid,
        alias.creator,
    )


async def delete(tx: Tx, alias: Alias) -> bool:
    """Take a name away from its room. False if the room has it no more."""
    changed = await tx.run("DELETE FROM room_aliases WHERE alias = $1 AND room_nid = $2", alias.alias, alias.room_nid)
    return changed > 0


async def move(tx: Tx, from_nid: int, to_nid: int) -> None:
    """Give all names of one room to another."""
    await tx.run("UPDATE room_aliases SET room_nid = $2 WHERE room_nid = $1", from_nid, to_nid)
