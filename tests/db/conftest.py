"""An empty database of each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ranvier.db.engine import Database
from ranvier.db.postgres import open_postgres
from ranvier.db.sqlite import open_sqlite
from tests.db.postgres_database import postgres_database


@pytest.fixture(params=["sqlite", "postgres"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database without tables."""
    database: Database
    if request.param == "sqlite":
        database = await open_sqlite(str(tmp_path / "homeserver.db"))
        yield database
        await database.close()
        return
    async with postgres_database() as config:
        database = await open_postgres(config)
        yield database
        await database.close()
