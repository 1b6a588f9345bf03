"""A migrated-free database of each engine."""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.postgres import open_postgres
from ranvier.db.sqlite import open_sqlite

_POSTGRES = "RANVIER_TEST_POSTGRES"
"""The environment variable that holds a PostgreSQL URI whose user may create databases."""


@pytest.fixture(params=["sqlite", "postgres"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database, without tables."""
    database: Database
    if request.param == "sqlite":
        database = await open_sqlite(str(tmp_path / "homeserver.db"))
        yield database
        await database.close()
        return
    uri = os.environ.get(_POSTGRES)
    if not uri:
        pytest.skip(f"{_POSTGRES} is not set")
    name = f"ranvier_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(uri)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    database = await open_postgres(postgres_config(uri, name))
    yield database
    await database.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def postgres_config(uri: str, database: str) -> DatabaseConfig:
    """The configuration for one database of the server at `uri`."""
    parts = urlsplit(uri)
    args: dict[str, object] = {key: values[0] for key, values in parse_qs(parts.query).items()}
    for key, value in (
        ("user", parts.username),
        ("password", parts.password),
        ("host", parts.hostname),
        ("port", parts.port),
    ):
        if value:
            args[key] = value
    return DatabaseConfig("postgres", {**args, "database": database}, 1, 4, 0, False)
