"""How many requests may be under way: in all, and to one server.

A server that answers slowly keeps its own lane busy, and leaves the other places to the others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

PER_SERVER: Final = 16
"""More than there are connections to one server; the rest would only wait for these."""


@dataclass(slots=True)
class _Lane:
    slots: asyncio.Semaphore
    users: int = 0


class Lanes:
    """Places for requests."""

    def __init__(self, *, most: int, per_server: int = PER_SERVER) -> None:
        self._all = asyncio.Semaphore(most)
        self._per_server = per_server
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def place(self, destination: str) -> AsyncIterator[None]:
        """Make a request to this server inside; who waits for its lane takes nobody else's place."""
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = _Lane(asyncio.Semaphore(self._per_server))
        lane.users += 1
        try:
            async with lane.slots, self._all:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[destination]
