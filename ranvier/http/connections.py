"""The connections of one listener, and the sweep that closes those which are too slow.

One timer for all of them, every `SWEEP_S`, instead of one for each request: so that what costs nothing to wait for costs
nothing. Time is counted in sweeps, and what is said in seconds here is meant up to one sweep more.
"""

import asyncio
from typing import Final, Protocol

SWEEP_S: Final = 3.0
SILENCE: Final = 20
"""Sweeps within which a new connection, or one that has begun the head of a request, must have sent the whole head: a
minute. A client that reads nothing of its answer, or sends hardly anything of its body, has as long."""
KEEP_ALIVE: Final = 10
"""Sweeps for which a connection is kept after an answer: half a minute. Longer than reverse proxies wait between the
requests of a busy client, short enough that idle ones do not pile up."""
LINGER: Final = 1
"""Sweeps for which a client that still sends may go on after it was answered and told that the connection closes. Closing
at once would reset the connection, and the client would never see the answer."""


class Swept(Protocol):
    """What a connection is to its listener."""

    task: asyncio.Task[None] | None
    """The request being served."""

    def sweep(self, now: int) -> None:
        """Close if the client is too slow; `now` counts sweeps."""
        ...

    def shut_down(self) -> None:
        """Close as soon as the request being served is answered."""
        ...

    def stop_serving(self) -> None:
        """Send away a client that waits for news."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Connections:
    """Those that are open, or still have a request being served although their client has gone."""

    def __init__(self) -> None:
        self._open: set[Swept] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0
        """The number of sweeps so far."""

    def add(self, connection: Swept) -> None:
        """A client has connected."""
        self._open.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._on_timer)

    def discard(self, connection: Swept) -> None:
        """There is nothing left of it."""
        self._open.discard(connection)

    def sweep(self) -> None:
        """Close what is too slow."""
        self.now += 1
        for connection in list(self._open):
            connection.sweep(self.now)

    def shut_down(self) -> None:
        """Begin no more requests."""
        for connection in list(self._open):
            connection.shut_down()

    def stop_waiting(self) -> None:
        """Answer 503 to whoever waits in a long poll; what changes something goes on."""
        for connection in list(self._open):
            connection.stop_serving()

    def tasks(self) -> set[asyncio.Task[None]]:
        """The requests being served."""
        return {connection.task for connection in self._open if connection.task is not None}

    def abort(self) -> None:
        """Close all, at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._open):
            connection.abort()
        self._open.clear()

    def _on_timer(self) -> None:
        self.sweep()
        self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._on_timer) if self._open else None
