"""How fast requests of one other server are served: so many at once, after so many a second each with a delay.

Configuration: `rc_federation`. A server that is too fast is slowed down, so that it need not try again; only when too many
of its requests are waiting are further ones refused. Only for what is answered without asking others for the like: two
servers that wait for each other would wait for ever.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from ranvier.config.rates import FederationRates
from ranvier.ports import Clock
from ranvier.proto.errors import limit_exceeded

SERVERS: Final = 10_000
"""How many servers are remembered that have no request under way."""


@dataclass(slots=True)
class _Requests:
    """What one server asks."""

    slots: asyncio.Semaphore
    arrivals_s: deque[float] = field(default_factory=deque)
    """When requests of the last window came."""
    waiting: int = 0
    active: int = 0


class Admission:
    """Lets requests in."""

    def __init__(self, rates: FederationRates, *, clock: Clock) -> None:
        self._rates = rates
        self._clock = clock
        self._servers: OrderedDict[str, _Requests] = OrderedDict()

    @asynccontextmanager
    async def admitted(self, origin: str, *, paced: bool = True) -> AsyncIterator[None]:
        """Serve a request inside. Raises 429 `M_LIMIT_EXCEEDED` if too many of this server are waiting.

        What is not `paced` is neither counted nor delayed: only how many there are at once is bounded.
        """
        requests = self._requests(origin)
        rates = self._rates
        if requests.waiting >= rates.reject_limit:
            raise limit_exceeded(max(rates.window_size_ms, rates.sleep_delay_ms))
        delayed = paced and self._is_too_fast(requests)
        requests.waiting += 1
        try:
            if delayed:
                await self._clock.sleep(rates.sleep_delay_ms / 1000)
            await requests.slots.acquire()
        finally:
            requests.waiting -= 1
        requests.active += 1
        try:
            yield
        finally:
            requests.active -= 1
            requests.slots.release()

    def _requests(self, origin: str) -> _Requests:
        requests = self._servers.get(origin)
        if requests is None:
            requests = self._servers[origin] = _Requests(asyncio.Semaphore(max(1, self._rates.concurrent)))
            self._forget()
        else:
            self._servers.move_to_end(origin)
        return requests

    def _forget(self) -> None:
        """If there are too many servers, forget the one that has asked for nothing the longest."""
        if len(self._servers) > SERVERS:
            origin, requests = next(iter(self._servers.items()))
            if requests.waiting or requests.active:
                self._servers.move_to_end(origin)
            else:
                del self._servers[origin]

    def _is_too_fast(self, requests: _Requests) -> bool:
        now_s = self._clock.monotonic()
        arrivals_s = requests.arrivals_s
        while arrivals_s and arrivals_s[0] <= now_s - self._rates.window_size_ms / 1000:
            arrivals_s.popleft()
        too_fast = len(arrivals_s) >= self._rates.sleep_limit
        # More than the limit need not be remembered: the oldest of these decides.
        if too_fast and arrivals_s:
            arrivals_s.popleft()
        arrivals_s.append(now_s)
        return too_fast
