"""A provider for each test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sso.openid_provider import OpenidProvider, running_provider


@pytest.fixture
async def provider() -> AsyncIterator[OpenidProvider]:
    async with running_provider() as found:
        yield found


@pytest.fixture
def database(tmp_path: Path) -> dict[str, Any]:
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "sso.db")}}
