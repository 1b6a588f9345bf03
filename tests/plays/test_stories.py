"""Random stories of several servers, with everything that can go wrong; each is told again exactly by its seed."""

import asyncio
import os
from pathlib import Path

import pytest

from ranvier.db.migrate import migrate
from ranvier.db.sqlite import open_sqlite
from tests.plays.story import tell
from tests.plays.virtual_loop import run_virtually

STORIES = int(os.environ.get("RANVIER_PLAYS", "1000"))
AT_ONCE = 20


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file that is migrated already."""
    path = tmp_path_factory.mktemp("plays") / "template.db"

    async def make() -> None:
        db = await open_sqlite(str(path))
        await migrate(db, now_ms=0)
        await db.close()

    asyncio.run(make())
    return path


@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_stories(tmp_path: Path, template: Path, first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, STORIES)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        run_virtually(tell(seed, folder, steps=30, template=template))
