"""What the plays of partial joins share."""

import asyncio
from pathlib import Path

import pytest

from ranvier.db.migrate import migrate
from ranvier.db.sqlite import open_sqlite


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file that is migrated already."""
    path = tmp_path_factory.mktemp("faster_joins") / "template.db"

    async def make() -> None:
        db = await open_sqlite(str(path))
        await migrate(db, now_ms=0)
        await db.close()

    asyncio.run(make())
    return path
