"""Waiting for the content of media whose names were given out before it. Spec: client-server API, `timeout_ms`."""

import asyncio


class Arrivals:
    """Who waits for which medium of ours."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def arrived(self, media_id: str) -> None:
        """Its content is there."""
        for waiter in self._waiting.pop(media_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, media_id: str, timeout_s: float) -> None:
        """Until it is there, or the time is over."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(media_id, set())
        waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=timeout_s)
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiting.get(media_id) is waiters:
                del self._waiting[media_id]
