"""Every budget is measured on a server of its own, on each database."""

import pytest

from tests.api.fixtures import alice, bob, homeserver_on_each
from tests.api.homeserver import Homeserver

__all__ = ["alice", "bob", "homeserver_on_each"]


@pytest.fixture
def homeserver(homeserver_on_each: Homeserver) -> Homeserver:
    return homeserver_on_each
