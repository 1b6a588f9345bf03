"""How many connections may wait for their next request. Pure, but for the time it is handed."""

from collections import OrderedDict
from collections.abc import Hashable


class Reuse:
    """Tells which connections stay open after an answer: those of a bounded number of recently used keys."""

    def __init__(self, *, limit: int, keep_s: float) -> None:
        self._limit = limit
        self._keep_s = keep_s
        self._used: OrderedDict[Hashable, float] = OrderedDict()

    def may_stay_open(self, key: Hashable, *, now: float) -> bool:
        """Whether a connection that is used now may be kept for `keep_s` seconds more."""
        while self._used and next(iter(self._used.values())) + self._keep_s <= now:
            self._used.popitem(last=False)
        if key in self._used or len(self._used) < self._limit:
            self._used[key] = now
            self._used.move_to_end(key)
            return True
        return False
