"""What every test may ask for: a database of each engine, a homeserver process, Node.

A missing part fails the test and says what to do; nothing is skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.services.homeserver import HomeserverProcess
from tests.services.node import install_packages, node_program
from tests.services.postgres import DatabasePool, Postgres, shared_postgres

DatabaseDict = dict[str, object]
"""A homeserver's `database` section."""


class StartHomeserver(Protocol):
    """What the fixture `start_homeserver` is."""

    def __call__(self, database: DatabaseDict, **options: object) -> HomeserverProcess:
        """Start a homeserver whose configuration has these options besides the usual ones."""
        ...


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


@pytest.fixture
def start_homeserver(tmp_path: Path) -> Iterator[StartHomeserver]:
    """Starts homeservers as processes: `start_homeserver(db_config, option=value)`. What they said is shown on failure."""
    servers: list[HomeserverProcess] = []

    def start(database: DatabaseDict, **options: object) -> HomeserverProcess:
        server = HomeserverProcess(tmp_path / f"homeserver{len(servers)}", database, options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()
        print(f"--- {server.url} said at last:\n{server.last_words()}")


@pytest.fixture
def homeserver_process(start_homeserver: StartHomeserver, db_config: DatabaseDict) -> HomeserverProcess:
    """A homeserver as a process, with a database of each engine in turn."""
    return start_homeserver(db_config)


@pytest.fixture(scope="session")
def node() -> Path:
    """The Node program; what the clients in `tests/clients/js` need is installed."""
    install_packages(Path(__file__).parent / "clients" / "js")
    return node_program()
