"""Every budget is measured on a server of its own, on each database."""

import asyncio

import pytest

from tests.api.fixtures import alice, bob, homeserver_on_each
from tests.api.homeserver import Homeserver

__all__ = ["alice", "bob", "homeserver_on_each"]


BACKGROUND = frozenset(
    {
        "background updates",
        "departures",
        "ends of rooms",
        "guests",
        "health of servers",
        "inboxes",
        "last seen",
        "old addresses",
        "redactions",
        "resyncs",
        "sender",
        "tasks of administrators",
        "transactions",
        "unread",
        "user directory",
    }
)
"""Jobs that write now and then: what they spend is nobody's who is measured."""


def stop_background(*jobs: str) -> None:
    """End these jobs of the homeserver in this loop."""
    for task in asyncio.all_tasks():
        if task.get_name() in jobs:
            task.cancel()


@pytest.fixture
async def homeserver(homeserver_on_each: Homeserver) -> Homeserver:
    stop_background(*BACKGROUND, *homeserver_on_each.server.federation.edus.jobs)
    return homeserver_on_each
