"""Empty databases on the PostgreSQL server that the tests are given."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ranvier.config.sections import DatabaseConfig

VARIABLE = "RANVIER_TEST_POSTGRES"
"""The environment variable that holds a PostgreSQL URI whose user may create databases."""


@asynccontextmanager
async def postgres_database() -> AsyncIterator[DatabaseConfig]:
    """The configuration of a new database, dropped afterwards. Skips the test if there is no server."""
    uri = os.environ.get(VARIABLE)
    if not uri:
        pytest.skip(f"{VARIABLE} is not set")
    name = f"ranvier_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(uri)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        yield DatabaseConfig("postgres", _arguments(uri) | {"database": name}, 1, 4, 0, allow_unsafe_locale=False)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


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
