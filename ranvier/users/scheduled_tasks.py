"""Work in the background that administrators ask for, whose state they can ask for, and that goes on after a restart.

Manual: admin API, "Scheduled tasks". A task is written down before it is answered for. What does the work must bear being
begun again from its start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError
from ranvier.store import scheduled_tasks as store
from ranvier.store.scheduled_tasks import Status, Task
from ranvier.users.text import is_storable
from ranvier.users.token_text import random_letters

logger = logging.getLogger(__name__)

Work = Callable[[Task], Awaitable[dict[str, Any]]]
"""Does a task; what it answers is its result. Raises `MatrixError` if it cannot be done."""

KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""For so long after its end one can ask what has become of a task."""
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class ScheduledTasks:
    """Each task runs at once, as its own; `run` takes up what an earlier process has left."""

    def __init__(self, *, db: Database, clock: Clock, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._random = random
        self._works: dict[str, Work] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def define(self, action: str, work: Work) -> None:
        """What is to be done for tasks of this kind. Before `run`."""
        self._works[action] = work

    async def schedule(self, action: str, *, resource_id: str | None, params: dict[str, Any]) -> str:
        """Write a task down, and begin it; its id. One transaction."""
        task = Task(
            task_id=random_letters(self._random, 16, _LETTERS),
            action=action,
            status="scheduled",
            ts=self._clock.now_ms(),
            resource_id=resource_id,
            params=params,
        )
        async with self._db.write() as tx:
            await store.delete_finished(tx, task.ts - KEPT_MS)
            await store.save(tx, task)
        self._begin(task)
        return task.task_id

    async def get(self, action: str, task_id: str) -> Task | None:
        """One task of this kind. One statement."""
        task = await store.one(self._db, task_id) if is_storable(task_id) else None
        return task if task is not None and task.action == action else None

    async def all(
        self,
        *,
        actions: list[str] | None = None,
        resource_id: str | None = None,
        statuses: list[str] | None = None,
        max_ts: int | None = None,
    ) -> list[Task]:
        """Those that are as asked for. One statement."""
        if not all(is_storable(text) for text in (*(actions or ()), *(statuses or ()), resource_id or "")):
            return []
        return await store.found(self._db, actions=actions, resource_id=resource_id, statuses=statuses, max_ts=max_ts)

    async def progress(self, task: Task, result: dict[str, Any]) -> None:
        """A task that is being done has come so far. One transaction."""
        await self._note(task, "active", result=result)

    async def run(self) -> None:
        """Go on with what was not finished, and stop it all when cancelled."""
        for task in await store.found(self._db, statuses=["scheduled", "active"]):
            if task.action in self._works and task.task_id not in self._running:
                self._begin(task)
        try:
            await asyncio.Event().wait()
        finally:
            running = list(self._running.values())
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, task: Task) -> None:
        self._running[task.task_id] = asyncio.create_task(self._do(task), name=f"task {task.action}")

    async def _do(self, task: Task) -> None:
        try:
            await self._note(task, "active")
            result = await self._works[task.action](task)
        except DatabaseError:
            logger.exception("The task %s (%s) has stopped; it goes on after a restart", task.task_id, task.action)
        except MatrixError as error:
            await self._note(task, "failed", error=error.error)
        except Exception as error:  # the task has failed, whatever it was: whoever asks is to know
            logger.exception("The task %s (%s) has failed", task.task_id, task.action)
            await self._note(task, "failed", error=repr(error))
        else:
            await self._note(task, "complete", result=result)
        finally:
            self._running.pop(task.task_id, None)

    async def _note(
        self, task: Task, status: Status, *, result: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        changed = replace(task, status=status, ts=self._clock.now_ms(), result=result, error=error)
        async with self._db.write() as tx:
            await store.save(tx, changed)
