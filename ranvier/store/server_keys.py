"""The keys of other servers: tables `server_keys` and `server_key_documents`."""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.db.engine import Reader, Tx


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of a server, and until when it may sign."""

    server_name: str
    key_id: str
    public_key: bytes
    valid_until_ts: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """The newest list of keys that a server has published."""

    server_name: str
    json: bytes
    valid_until_ts: int
    fetched_ts: int


async def keys_of(db: Reader, server_names: Sequence[str]) -> list[tuple[KeyRow, int]]:
    """Every key of these servers, each with the `valid_until_ts` of the server's newest list. One statement."""
    rows = await db.all(
        "SELECT k.server_name, k.key_id, k.public_key, k.valid_until_ts, d.valid_until_ts"
        " FROM server_keys k JOIN server_key_documents d ON d.server_name = k.server_name"
        " WHERE k.server_name = ANY($1)",
        list(server_names),
    )
    return [
        (KeyRow(server_name=name, key_id=key_id, public_key=bytes(key), valid_until_ts=until), document_until)
        for name, key_id, key, until, document_until in rows
    ]


async def documents_of(db: Reader, server_names: Sequence[str]) -> list[DocumentRow]:
    """The newest lists of these servers. One statement."""
    rows = await db.all(
        "SELECT server_name, json, valid_until_ts, fetched_ts FROM server_key_documents WHERE server_name = ANY($1)",
        list(server_names),
    )
    return [
        DocumentRow(server_name=name, json=bytes(json), valid_until_ts=until, fetched_ts=fetched)
        for name, json, until, fetched in rows
    ]


async def save_documents(tx: Tx, rows: Sequence[DocumentRow]) -> None:
    """Keep these lists instead of older ones. One statement."""
    await tx.many(
        "INSERT INTO server_key_documents (server_name, json, valid_until_ts, fetched_ts) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (server_name) DO UPDATE SET json = excluded.json, valid_until_ts = excluded.valid_until_ts,"
        " fetched_ts = excluded.fetched_ts",
        [(row.server_name, row.json, row.valid_until_ts, row.fetched_ts) for row in rows],
    )


async def save_keys(tx: Tx, rows: Sequence[KeyRow]) -> None:
    """Keep these keys, and what is now known of those that are there. One statement."""
    await tx.many(
        "INSERT INTO server_keys (server_name, key_id, public_key, valid_until_ts) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (server_name, key_id) DO UPDATE SET public_key = excluded.public_key,"
        " valid_until_ts = excluded.valid_until_ts",
        [(row.server_name, row.key_id, row.public_key, row.valid_until_ts) for row in rows],
    )


async def delete_keys(tx: Tx, keys: Sequence[tuple[str, str]]) -> None:
    """Forget keys by server name and key id. One statement."""
    await tx.many("DELETE FROM server_keys WHERE server_name = $1 AND key_id = $2", keys)
