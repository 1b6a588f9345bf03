"""Tests of media ask for a server on each engine as those of the API do; its files are beside its database."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.homeserver import Homeserver, running


@pytest.fixture
async def homeserver_on_each(db_config: Mapping[str, Any], tmp_path: Path) -> AsyncIterator[Homeserver]:
    """A server on SQLite, then one on PostgreSQL."""
    async with running(db_config, media_store_path=str(tmp_path / "media")) as server:
        yield server
