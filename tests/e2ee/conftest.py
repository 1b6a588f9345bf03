"""Every test of encryption has a server of its own, on each database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.api.homeserver import Homeserver, running
from tests.e2ee.person import Person, register


@pytest.fixture
async def homeserver(db_config: Mapping[str, Any]) -> AsyncIterator[Homeserver]:
    async with running(db_config) as server:
        yield server


@pytest.fixture
async def alice(homeserver: Homeserver) -> Person:
    return await register(homeserver, "alice")


@pytest.fixture
async def bob(homeserver: Homeserver) -> Person:
    return await register(homeserver, "bob")


@pytest.fixture
async def carol(homeserver: Homeserver) -> Person:
    return await register(homeserver, "carol")
