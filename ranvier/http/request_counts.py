"""How many requests were served, how fast, and with how much: plain numbers, which metrics read when they are asked for.

Kept for each route and status; counting one request is two look-ups and a few additions.
"""

from bisect import bisect_left
from collections.abc import Iterator
from time import monotonic
from typing import Final

from ranvier.http.route import Route

BOUNDS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes that times are counted in; the last class has none."""


class Counted:
    """The requests of one route that had one status."""

    __slots__ = ("buckets", "size_bytes", "time_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.time_s = 0.0
        self.size_bytes = 0

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.buckets)


class RequestCounts:
    """The counts of all listeners."""

    def __init__(self) -> None:
        self._by_route: dict[int, tuple[Route, dict[int, Counted]]] = {}
        self.in_flight = 0

    def begin(self) -> float:
        """A request has come; what `end` is to be told."""
        self.in_flight += 1
        return monotonic()

    def end(self, route: Route, status: int, began_s: float, size_bytes: int) -> None:
        """It has been answered."""
        self.in_flight -= 1
        time_s = monotonic() - began_s
        known = self._by_route.get(id(route))
        if known is None:
            known = self._by_route[id(route)] = (route, {})  # With the route, so that its number stays its own.
        counted = known[1].get(status)
        if counted is None:
            counted = known[1][status] = Counted()
        counted.buckets[bisect_left(BOUNDS_S, time_s)] += 1
        counted.time_s += time_s
        counted.size_bytes += size_bytes

    def __iter__(self) -> Iterator[tuple[Route, int, Counted]]:
        """Route, status and what was counted."""
        for route, by_status in list(self._by_route.values()):
            for status, counted in list(by_status.items()):
                yield route, status, counted
