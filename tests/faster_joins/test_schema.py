"""The tables that the manual describes, with its columns. FJ-6 to FJ-8, FJ-38."""

from collections.abc import AsyncIterator

import pytest

from ranvier.db.engine import Database
from ranvier.db.open import open_database
from tests.databases import database_config

COLUMNS = {
    "partial_state_rooms": {
        "room_id": ("text", False),
        "device_lists_stream_id": ("bigint", False),
        "join_event_id": ("text", True),
        "joined_via": ("text", True),
    },
    "partial_state_events": {"room_id": ("text", False), "event_id": ("text", False)},
    "partial_state_rooms_servers": {"room_id": ("text", False), "server_name": ("text", False)},
}
"""By table and column: its type, and whether it may be null."""


@pytest.fixture
async def db(db_config: dict[str, object]) -> AsyncIterator[Database]:
    database = await open_database(database_config(db_config), now_ms=1)
    yield database
    await database.close()


async def columns(db: Database, table: str) -> dict[str, tuple[str, bool]]:
    if db.dialect == "sqlite":
        rows = await db.all(f"PRAGMA table_info({table})")
        return {name: (kind.lower(), not not_null) for _, name, kind, not_null, _, _ in rows}
    rows = await db.all(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = $1", table
    )
    return {name: (kind, nullable == "YES") for name, kind, nullable in rows}


async def check(db: Database, table: str) -> None:
    assert await columns(db, table) == COLUMNS[table]


async def test_fj_06_partial_state_events(db: Database) -> None:
    await check(db, "partial_state_events")


async def test_fj_07_partial_state_rooms(db: Database) -> None:
    await check(db, "partial_state_rooms")
    async with db.write() as tx:
        await tx.run("INSERT INTO partial_state_rooms (room_id) VALUES ('!a')")
    assert await db.value("SELECT device_lists_stream_id FROM partial_state_rooms") == 0


async def test_fj_08_partial_state_rooms_servers(db: Database) -> None:
    await check(db, "partial_state_rooms_servers")


async def test_fj_38_what_is_about_partial_state_is_called_so(db: Database) -> None:
    listed = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if db.dialect == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    assert COLUMNS.keys() <= {row[0] for row in await db.all(listed)}
