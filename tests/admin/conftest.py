"""Every test has a server of its own, on each engine, and an administrator of it."""

import pytest

from tests.admin.admin import Admin
from tests.api.fixtures import homeserver, homeserver_on_each
from tests.api.homeserver import Homeserver

__all__ = ["admin", "homeserver", "homeserver_on_each"]


@pytest.fixture
async def admin(homeserver_on_each: Homeserver) -> Admin:
    """An administrator of a server on SQLite, then of one on PostgreSQL."""
    return await Admin.of(homeserver_on_each)
