"""Rebuilding in the background what is made from other tables: portion by portion, with pauses, across restarts.

Manual: admin API, "Background Updates API"; configuration: `background_updates`. Each update is a function that does one
portion: it is given its progress, which was `{}` at the beginning, and how many items there should be at most, and answers
with the next progress, `None` at the end. Doing a portion twice must do no harm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from ranvier.config.operating_sections import BackgroundUpdatesConfig
from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.store import background_updates as store
from ranvier.users.background_pace import Pace

logger = logging.getLogger(__name__)

RETRY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Portion:
    """What has been done."""

    progress: dict[str, Any] | None
    """Where to go on; `None`: nothing is left."""
    items: int


Update = Callable[[dict[str, Any], int], Awaitable[Portion]]


@dataclass(slots=True)
class Running:
    """The update that is under way."""

    name: str
    items: int = 0
    duration_ms: float = 0.0


class BackgroundUpdates:
    """Does one update after the other while `run` is running."""

    def __init__(self, *, db: Database, clock: Clock, config: BackgroundUpdatesConfig) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._updates: dict[str, Update] = {}
        self._jobs: dict[str, tuple[str, ...]] = {}
        self._wake = asyncio.Event()
        self._enabled = asyncio.Event()
        self._enabled.set()
        self.running: Running | None = None
        """What is done now; `None`: nothing."""

    def define(self, name: str, update: Update) -> None:
        """How an update is done. Before `run`."""
        self._updates[name] = update

    def define_job(self, name: str, *updates: str) -> None:
        """A job that administrators may start, and the updates that it consists of."""
        self._jobs[name] = updates

    @property
    def enabled(self) -> bool:
        """Whether anything may be done."""
        return self._enabled.is_set()

    def enable(self, *, enabled: bool) -> None:
        """Go on, or pause after the portion that is under way; until the next start of the server."""
        if enabled:
            self._enabled.set()
        else:
            self._enabled.clear()

    async def start_job(self, name: str) -> None:
        """Begin a job. One transaction. Raises 400 for one that does not exist, or is under way."""
        if name not in self._jobs:
            raise MatrixError(400, "M_UNKNOWN", "Invalid job_name")
        unfinished = await store.unfinished(self._db)
        if any(update in unfinished for update in self._jobs[name]):
            raise MatrixError(400, "M_UNKNOWN", f"Job {name} is already in queue of background updates.")
        async with self._db.write() as tx:
            for update in self._jobs[name]:
                await store.save(tx, update, {})
        self._wake.set()

    async def run(self) -> None:
        """Do what is there to be done, and wait for more. One statement where there is nothing."""
        while True:
            self._wake.clear()
            try:
                done = await self._do_all()
            except (DatabaseError, MatrixError):
                logger.exception("A background update has failed; it is tried again")
                await self._clock.sleep(RETRY_S)
                continue
            finally:
                self.running = None
            if not done:
                await self._wake.wait()

    async def _do_all(self) -> bool:
        """Whether there was anything to do."""
        unfinished = await store.unfinished(self._db)
        known = [name for name in unfinished if name in self._updates]
        for name in known:
            await self._do(name, unfinished[name])
        return bool(known)

    async def _do(self, name: str, begun: dict[str, Any]) -> None:
        self.running = running = Running(name)
        pace = Pace(self._config)
        progress: dict[str, Any] | None = begun
        while progress is not None:
            await self._enabled.wait()
            started = self._clock.monotonic()
            progress, items = await self._batch(self._updates[name], progress, pace.size)
            async with self._db.write() as tx:
                if progress is None:
                    await store.delete(tx, name)
                else:
                    await store.save(tx, name, progress)
            took_ms = (self._clock.monotonic() - started) * 1000
            pace.count(items, took_ms)
            running.items += items
            running.duration_ms += took_ms
            if progress is not None:
                await self._clock.sleep(self._config.sleep_ms / 1000)
        logger.info("The background update %s is done: %d items", name, running.items)

    async def _batch(
        self, update: Update, progress: dict[str, Any] | None, size: int
    ) -> tuple[dict[str, Any] | None, int]:
        """About `size` items, of as many portions as that takes: some are small. The progress, and how many there were."""
        done = 0
        until = self._clock.monotonic() + self._config.duration_ms / 1000
        while progress is not None and done < size:
            portion = await update(progress, size - done)
            progress = portion.progress
            done += max(1, portion.items)
            if self._clock.monotonic() >= until:
                break
        return progress, done
