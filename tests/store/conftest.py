"""A migrated database of each engine."""

from collections.abc import AsyncIterator

import pytest

from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database


@pytest.fixture
async def db(db_config: dict[str, object]) -> AsyncIterator[Database]:
    """An open database with every table, empty."""
    database = await open_database(parse({"server_name": "ranvier.test", "database": db_config}).database, now_ms=1)
    yield database
    await database.close()
