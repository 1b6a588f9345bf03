"""What the domain needs from the outside world, as protocols: time and chance.

The domain never reaches for the wall clock or the system's randomness; it is handed these, so that a whole federation
can run in one process under a seed.
"""

import asyncio
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Time, as the domain may know it."""

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller for `seconds`."""
        ...


class Random(Protocol):
    """Unpredictable bytes."""

    def token_bytes(self, size_bytes: int) -> bytes:
        """`size_bytes` bytes that nobody can guess."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemRandom:
    """The operating system's generator."""

    def token_bytes(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)
