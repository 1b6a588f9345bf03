"""An event loop in which time passes only when nobody has anything to do, and then at once.

So an hour of timeouts and back-offs takes no longer than what is computed in it, and the same seed runs the same steps.
Nothing in it may wait for another thread or for a socket.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LOOKS_EVERY = 256


class Stuck(Exception):
    """Everybody waits for something that will never happen."""


class _Selector(selectors.SelectSelector):
    """Does not wait: says how long it would have. Looks at files only now and then: nobody but Ctrl-C writes to one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.idle = 0
        self.calls = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.calls += 1
        if self.calls % LOOKS_EVERY == 0 or timeout is None:
            ready = super().select(0)
            if ready:
                return ready
        if timeout is None:
            self.idle += 1
            if self.idle > 1000:
                raise Stuck
        elif timeout > 0:
            self.idle = 0
            self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since the loop was made, in its own time."""
        return self._virtual.now


def run_virtually(play: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(play)
