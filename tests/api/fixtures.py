"""Fixtures for tests that speak HTTP to a server of their own: `homeserver`, and a few people who have accounts there."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running


@pytest.fixture
async def homeserver(tmp_path: Path) -> AsyncIterator[Homeserver]:
    """A server on SQLite."""
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        yield server


@pytest.fixture
async def homeserver_on_each(db_config: Mapping[str, Any]) -> AsyncIterator[Homeserver]:
    """A server on SQLite, then one on PostgreSQL."""
    async with running(db_config) as server:
        yield server


@pytest.fixture
async def alice(homeserver: Homeserver) -> Client:
    return await homeserver.register("alice")


@pytest.fixture
async def bob(homeserver: Homeserver) -> Client:
    return await homeserver.register("bob")


@pytest.fixture
async def carol(homeserver: Homeserver) -> Client:
    return await homeserver.register("carol")


@pytest.fixture
async def guest(homeserver: Homeserver) -> Client:
    return await homeserver.register("", is_guest=True)


@pytest.fixture
def stranger(homeserver: Homeserver) -> Client:
    return homeserver.stranger()
