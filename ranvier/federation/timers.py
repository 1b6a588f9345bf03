"""When servers that are left alone are to be woken."""

import heapq
from collections.abc import Iterator


class Timers:
    """One time for each name; a later call replaces it."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, name: str, at_s: float) -> None:
        """Wake `name` at this time."""
        self._at[name] = at_s
        heapq.heappush(self._heap, (at_s, name))

    def due(self, now_s: float) -> Iterator[str]:
        """Those whose time has come; each is told once."""
        while self._heap and self._heap[0][0] <= now_s:
            at_s, name = heapq.heappop(self._heap)
            if self._at.get(name) == at_s:
                del self._at[name]
                yield name
