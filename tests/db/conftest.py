"""An empty database of each engine."""

from collections.abc import AsyncIterator

import pytest

from ranvier.db.engine import Database
from ranvier.db.postgres import open_postgres
from ranvier.db.sqlite import open_sqlite
from tests.conftest import DatabaseDict
from tests.databases import database_config


@pytest.fixture
async def db(db_config: DatabaseDict) -> AsyncIterator[Database]:
    """A database without tables."""
    config = database_config(db_config)
    database: Database
    if config.engine == "sqlite":
        database = await open_sqlite(str(config.args["database"]))
    else:
        database = await open_postgres(config)
    yield database
    await database.close()
