"""Background updates: as much at a time as the configuration says, and as long a rest."""

import asyncio
from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from ranvier.config.operating_sections import BackgroundUpdatesConfig
from ranvier.db.engine import Database
from ranvier.store import background_updates as store
from ranvier.users.background_pace import Pace
from ranvier.users.background_updates import BackgroundUpdates, Portion


class WorkClock:
    """Time passes by work, and by rest."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.rests: list[float] = []

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


def config(**options: object) -> BackgroundUpdatesConfig:
    return parse({"server_name": "test", "background_updates": options}).background_updates


async def _sizes(db: Database, updates: BackgroundUpdatesConfig, *, ms_per_item: float, items: int) -> Any:
    """The sizes of the portions of an update of so many items, and the rests between them."""
    clock = WorkClock()
    jobs = BackgroundUpdates(db=db, clock=clock, config=updates)
    sizes: list[int] = []

    async def update(progress: dict[str, Any], size: int) -> Portion:
        sizes.append(size)
        count = min(size, items - progress.get("done", 0))
        clock.now_s += count * ms_per_item / 1000
        so_far = progress.get("done", 0) + count
        if so_far == items:
            return Portion(None, count)
        return Portion({"done": so_far}, count)

    jobs.define("test", update)
    jobs.define_job("test job", "test")
    await jobs.start_job("test job")
    running = asyncio.create_task(jobs.run())
    async with asyncio.timeout(30):
        while await store.unfinished(db):  # noqa: ASYNC110  # the table is what says so
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sizes, clock.rests


async def test_a_batch_takes_as_long_as_it_should(db: Database) -> None:
    sizes, rests = await _sizes(db, config(), ms_per_item=0.5, items=1000)
    assert sizes == [100, 200, 200, 200, 200, 200]
    assert set(rests) == {1.0}


async def test_every_option_has_its_effect(db: Database) -> None:
    options = config(background_update_duration_ms=50, sleep_duration_ms=20, default_batch_size=7, min_batch_size=3)
    sizes, rests = await _sizes(db, options, ms_per_item=10, items=22)
    assert sizes == [7, 5, 5, 5]
    assert set(rests) == {0.02}
    sizes, rests = await _sizes(db, config(sleep_enabled=False, min_batch_size=6), ms_per_item=100, items=118)
    assert sizes == [100, 6, 6, 6]
    assert set(rests) == {0.0}


def test_there_is_always_progress() -> None:
    assert Pace(config(default_batch_size=0)).size == 1
    with pytest.raises(ConfigError, match="min_batch_size: expected a whole number, one or more"):
        config(min_batch_size=0)
