"""What goes wrong, in an order drawn by chance."""

import asyncio
import random
from collections import Counter

from tests.soak.town import Town

KINDS = ("kill", "restart", "cut", "slow", "full disk")


class Faults:
    """One at a time, until the time is over."""

    def __init__(self, town: Town, chance: random.Random) -> None:
        self._town = town
        self._chance = chance
        self.count: Counter[str] = Counter()

    async def one(self, kind: str) -> None:
        """Something goes wrong, and is mended after some seconds."""
        self.count[kind] += 1
        ranvier = self._chance.choice(self._town.ranviers)
        match kind:
            case "kill":
                ranvier.kill()
                await asyncio.sleep(self._chance.uniform(0, 5))
                await asyncio.to_thread(ranvier.start)
            case "restart":
                await asyncio.to_thread(ranvier.stop)
                await asyncio.to_thread(ranvier.start)
            case "full disk":
                ranvier.fill_disk()
                await asyncio.sleep(self._chance.uniform(5, 15))
                ranvier.free_disk()
            case "cut" | "slow":
                link = self._chance.choice(self._town.links())
                if kind == "cut":
                    link.cut()
                else:
                    link.delay_s = 0.3
                await asyncio.sleep(self._chance.uniform(3, 20))
                link.mend()

    async def until(self, deadline: float) -> None:
        """All kinds in turn, in another order each time, with breaks, until the clock of the loop says `deadline`."""
        loop = asyncio.get_running_loop()
        waiting: list[str] = []
        while loop.time() < deadline:
            if not waiting:
                waiting = self._chance.sample(KINDS, len(KINDS))
            await self.one(waiting.pop())
            await asyncio.sleep(self._chance.uniform(2, 8))
