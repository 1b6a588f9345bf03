"""Time that a test moves."""

import asyncio


class ManualClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self._now_s = 1_700_000_000.0

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds

    def now_ms(self) -> int:
        return int(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self.pass_s(seconds)
        await asyncio.sleep(0)
