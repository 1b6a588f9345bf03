"""A server's users domain over an empty database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from tests.db.postgres_database import emptied, postgres_database
from tests.users.world import World, build_world, configuration

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def postgres_config() -> Iterator[DatabaseConfig | None]:
    """One PostgreSQL database for all tests; making one takes longer than a test."""
    with postgres_database() as config:
        yield config


@pytest.fixture(params=["sqlite", "postgres"])
async def db(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_config: DatabaseConfig | None
) -> AsyncIterator[Database]:
    """A migrated database."""
    if request.param == "sqlite":
        args = {"database": str(tmp_path / "homeserver.db")}
        database = await open_database(DatabaseConfig("sqlite", args, 1, 1, 0, allow_unsafe_locale=False), now_ms=1)
        yield database
        await database.close()
        return
    database = await open_database(await emptied(postgres_config), now_ms=1)
    yield database
    await database.close()


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
