"""A server's users domain over an empty database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ranvier.db.engine import Database
from ranvier.db.open import open_database
from tests.conftest import DatabaseDict
from tests.databases import database_config
from tests.users.world import World, build_world, configuration

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def db(db_config: DatabaseDict) -> AsyncIterator[Database]:
    """A migrated database."""
    database = await open_database(database_config(db_config), now_ms=1)
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
