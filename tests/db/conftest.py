"""An empty database of each engine."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.postgres import open_postgres
from ranvier.db.sqlite import open_sqlite
from tests.db.postgres_database import emptied, postgres_database


@pytest.fixture(scope="session")
def postgres_config() -> Iterator[DatabaseConfig | None]:
    """One PostgreSQL database for all tests; making one takes longer than a test."""
    with postgres_database() as config:
        yield config


@pytest.fixture(params=["sqlite", "postgres"])
async def db(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_config: DatabaseConfig | None
) -> AsyncIterator[Database]:
    """A database without tables."""
    database: Database
    if request.param == "sqlite":
        database = await open_sqlite(str(tmp_path / "homeserver.db"))
        yield database
        await database.close()
        return
    database = await open_postgres(await emptied(postgres_config))
    yield database
    await database.close()
