"""Empty databases on the PostgreSQL server that the tests are given."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ranvier.config.sections import DatabaseConfig
from ranvier.db.postgres import open_postgres

VARIABLE = "RANVIER_TEST_POSTGRES"
"""The environment variable that holds a PostgreSQL URI whose user may create databases."""


@contextmanager
def postgres_database() -> Iterator[DatabaseConfig | None]:
    """The configuration of a new database, dropped afterwards; None if there is no server."""
    uri = os.environ.get(VARIABLE)
    if not uri:
        yield None
        return
    name = f"ranvier_{secrets.token_hex(6)}"
    asyncio.run(_execute(uri, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"))
    try:
        yield DatabaseConfig("postgres", _arguments(uri) | {"database": name}, 1, 4, 0, allow_unsafe_locale=False)
    finally:
        asyncio.run(_execute(uri, f"DROP DATABASE {name} WITH (FORCE)"))


async def emptied(config: DatabaseConfig | None) -> DatabaseConfig:
    """The database without any table. Skips the test if there is no server."""
    if config is None:
        pytest.skip(f"{VARIABLE} is not set")
    db = await open_postgres(config)
    async with db.write() as tx:
        await tx.run("DROP SCHEMA public CASCADE")
        await tx.run("CREATE SCHEMA public")
    await db.close()
    return config


async def _execute(uri: str, sql: str) -> None:
    connection = await asyncpg.connect(uri)
    await connection.execute(sql)
    await connection.close()


def _arguments(uri: str) -> dict[str, object]:
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
    return args
