"""Asks again for device lists of which a part is missing.

Spec: server-server API, "Device Management". Single lists are asked for with the number of their last change, so that
further changes can be added; many users of one server are asked for together. A server that does not answer is asked
again later, less and less often. What is missing is written down, so that it is asked for after a restart too.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.ask_keys import KeyAsking, ToldDevices
from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.remote_devices import RemoteDevices
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.store import remote_devices as store
from ranvier.store.remote_devices import GREATEST, UNKNOWN, DeviceList

logger = logging.getLogger(__name__)

SINGLY: Final = 10
"""So many users of a server are asked for one by one; more of them together."""
TOGETHER: Final = 200
AT_ONCE: Final = 8
"""Servers that are asked at the same time."""
FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = 3600.0
USERS: Final = 50_000
"""More do not wait at once; they are found again after a restart, or when a client asks for them."""


class DeviceResync:
    """One a process."""

    def __init__(
        self, *, db: Database, clock: Clock, keys: KeyAsking, devices: RemoteDevices, event_pos: Callable[[], int]
    ) -> None:
        self._db = db
        self._clock = clock
        self._keys = keys
        self._devices = devices
        self._event_pos = event_pos
        self._waiting: dict[str, dict[str, int]] = {}
        """By server and user how often something was missing: more often than when asking began, and it goes on."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._number = 0

    async def start(self) -> None:
        """Go on with what is written down. One statement."""
        self.add(await store.stale_users(self._db))

    def add(self, user_ids: Iterable[str]) -> None:
        """These users' lists are to be asked for again."""
        for user_id in user_ids:
            server = domain_of(user_id)
            waiting = self._waiting.setdefault(server, {})
            if user_id in waiting:
                waiting[user_id] += 1
            elif self._number < USERS:
                waiting[user_id] = 1
                self._number += 1
            if server not in self._tasks:
                self._tasks[server] = asyncio.create_task(self._work(server), name=f"device lists {server}")

    async def settled(self) -> None:
        """Wait until nothing is asked for any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, server: str) -> None:
        wait_s = FIRST_WAIT_S
        told = set[str]()
        try:
            while waiting := self._waiting[server]:
                users = dict(islice(waiting.items(), TOGETHER if len(waiting) > SINGLY else 1))
                try:
                    async with self._slots:
                        await self._resync(list(users))
                except (RemoteError, Unreachable, DatabaseError) as error:
                    logger.info("The device lists of %s cannot be asked for now: %s", server, error)
                    await self._tell_once(set(waiting), told)
                    await self._clock.sleep(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                else:
                    wait_s = FIRST_WAIT_S
                    for user_id, times in users.items():
                        if waiting[user_id] == times:
                            del waiting[user_id]
                            self._number -= 1
        except Exception:
            logger.exception("Asking for the device lists of %s has failed", server)
        finally:
            self._number -= len(self._waiting.pop(server))
            del self._tasks[server]

    async def _resync(self, user_ids: Sequence[str]) -> None:
        users = sorted(await self._devices.drop_strangers(user_ids))
        if not users:
            return
        if len(users) == 1:
            await self._resync_one(users[0])
            return
        failures = await self._devices.fetch(users)
        if failures:
            raise Unreachable("; ".join(str(failure) for failure in failures.values()))
        await self._devices.store({}, users)

    async def _resync_one(self, user_id: str) -> None:
        pos = self._event_pos()
        try:
            told = await self._keys.devices(user_id)
        except RemoteError as error:
            if error.status in (403, 404):
                await self._devices.forget([user_id])
                return
            raise
        await self._devices.store({user_id: _listed(told, pos)}, [user_id])

    async def _tell_once(self, user_ids: Collection[str], told: set[str]) -> None:
        """Clients here are to know that something has changed, even if it cannot be asked for yet."""
        untold = set(user_ids) - told
        told |= untold
        try:
            await self._devices.store({}, untold)
        except DatabaseError as error:
            logger.warning("Could not tell of changed device lists: %s", error)


def _listed(told: ToldDevices, pos: int) -> DeviceList:
    return DeviceList(
        stream_id=told.stream_id if 0 <= told.stream_id <= GREATEST else UNKNOWN,
        synced_pos=pos,
        devices=told.devices,
        master=told.master,
        self_signing=told.self_signing,
    )
