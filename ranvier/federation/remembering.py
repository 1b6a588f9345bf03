"""What other servers have answered, kept for a while; whoever asks for the same at the same time waits for one answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from ranvier.ports import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers by question. `keep_s` says how long an answer is good for; errors are not kept."""

    def __init__(self, *, clock: Clock, size: int, keep_s: Callable[[V], float]) -> None:
        self._clock = clock
        self._size = size
        self._keep_s = keep_s
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        """With the time at which each is forgotten."""
        self._asking: dict[K, asyncio.Task[V]] = {}
        self._forgotten = 0

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, asked for if need be. Asking goes on if the one who began it does not wait for it any longer."""
        known = self._known.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(key, ask), name="asking")
            asking.add_done_callback(_seen)
        return await asyncio.shield(asking)

    def forget(self) -> None:
        """Nothing that was answered until now is good any more."""
        self._known.clear()
        self._asking.clear()
        self._forgotten += 1

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        forgotten = self._forgotten
        try:
            answer = await ask()
        finally:
            if forgotten == self._forgotten:
                del self._asking[key]
        if forgotten != self._forgotten:
            return answer
        self._known.pop(key, None)
        self._known[key] = self._clock.monotonic() + self._keep_s(answer), answer
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return answer


def _seen(task: "asyncio.Task[V]") -> None:
    if not task.cancelled():
        task.exception()  # Seen: the one who asked may have gone.
