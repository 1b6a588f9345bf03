"""Questions that are asked once, however many want the answer."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Once(Generic[_T]):
    """Who asks what is being asked already waits for the same answer; one who gives up does not spoil it for others."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[_T]] = {}

    async def run(self, key: str, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The answer to the question `key`, or what `ask` raises."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(ask(), name=f"once {key}")
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up on everything that is being asked."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: str, task: asyncio.Task[_T]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # Seen: perhaps nobody waits for it any more.
