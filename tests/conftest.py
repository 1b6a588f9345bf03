"""What every test may ask for: a database of each engine, a homeserver process, Node.

A missing part fails the test and says what to do; nothing is skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.postgres import DatabasePool, Postgres, shared_postgres

DatabaseDict = dict[str, object]
"""A homeserver's `database` section."""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    """A running PostgreSQL, shared by the whole test session."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The folder of the session, in which each worker has one; and the process that starts the workers.
        return shared_postgres(folder.parent, session_pid=os.getppid())
    return shared_postgres(folder, session_pid=os.getpid())


@pytest.fixture(scope="session")
def postgres_databases(postgres: Postgres) -> Iterator[DatabasePool]:
    """The databases of this process."""
    pool = DatabasePool(postgres)
    yield pool
    pool.close()


@pytest.fixture
def postgres_database(postgres_databases: DatabasePool) -> Iterator[str]:
    """The name of an empty database."""
    name = postgres_databases.take()
    yield name
    postgres_databases.give_back(name)


@pytest.fixture(params=["sqlite", "postgres"])
def db_config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseDict:
    """A homeserver's `database` section for an empty database of each engine in turn."""
    if request.param == "sqlite":
        return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    database = request.getfixturevalue("postgres_database")
    server = request.getfixturevalue("postgres")
    return {"name": "psycopg2", "args": server.args(database)}
