"""Stopping the work for a client that has gone away, or for everybody when the server stops.

Only requests that take long are watched: the watch starts after `PATIENCE_S`, so that a quick answer pays for one timer.
"""

import asyncio

from ranvier.http.body import Receive

PATIENCE_S = 0.5


class DisconnectWatch:
    """Cancels the current task when its client disconnects. Use it only once the body has been read."""

    __slots__ = ("_loop", "_receive", "_serving", "_timer", "_watching", "is_gone", "is_stopped")

    def __init__(self, receive: Receive, serving: asyncio.Task[None], *, patience_s: float = PATIENCE_S) -> None:
        self._receive = receive
        self._serving = serving
        self._loop = serving.get_loop()
        self._watching: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(patience_s, self._start)
        self.is_gone = False
        """Whether the client has gone away, and the task was cancelled for that."""
        self.is_stopped = False
        """Whether the task was cancelled by `stop_serving`."""

    def close(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def stop_serving(self) -> None:
        """Cancel the task although its client is there: the server stops."""
        if not self.is_stopped and not self.is_gone:
            self.is_stopped = True
            self._serving.cancel()

    def _start(self) -> None:
        self._watching = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.is_stopped:
            self.is_gone = True
            self._serving.cancel()
