"""A server's users domain over an empty database."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from tests.users.world import World, build_world, configuration

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture(params=["sqlite", "postgres"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated database."""
    if request.param == "sqlite":
        config = DatabaseConfig("sqlite", {"database": str(tmp_path / "homeserver.db")}, 1, 1, 0, False)
        database = await open_database(config, now_ms=1)
        yield database
        await database.close()
        return
    uri = os.environ.get("RANVIER_TEST_POSTGRES")
    if not uri:
        pytest.skip("RANVIER_TEST_POSTGRES is not set")
    name = f"ranvier_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(uri)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    parts = urlsplit(uri)
    args: dict[str, object] = {key: values[0] for key, values in parse_qs(parts.query).items()}
    args |= {"user": parts.username, "host": args.get("host") or parts.hostname, "port": parts.port, "database": name}
    database = await open_database(DatabaseConfig("postgres", args, 1, 4, 0, False), now_ms=1)
    yield database
    await database.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def make_world(db: Database) -> AsyncIterator[MakeWorld]:
    """Builds the domain with further options."""
    worlds: list[World] = []

    async def make(**options: Any) -> World:
        world = await build_world(db, configuration(**options))
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.passwords.close()


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """The domain with the usual options."""
    return await make_world()
