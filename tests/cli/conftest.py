"""What tests of commands ask for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import DatabaseDict
from tests.services.postgres import DatabasePool, Postgres


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections for `open_person`."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def second_postgres(postgres: Postgres, postgres_databases: DatabasePool) -> Iterator[DatabaseDict]:
    """A `database` section for another empty database of PostgreSQL."""
    name = postgres_databases.take()
    yield {"name": "psycopg2", "args": postgres.args(name)}
    postgres_databases.give_back(name)


@pytest.fixture
def second_database(db_config: DatabaseDict, request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseDict:
    """A `database` section for another empty database of the engine of `db_config`."""
    if db_config["name"] == "sqlite3":
        return {"name": "sqlite3", "args": {"database": str(tmp_path / "second.db")}}
    second: DatabaseDict = request.getfixturevalue("second_postgres")
    return second
