"""Removing devices, in the one way that takes everything of theirs along.

Spec: client-server API, "Relationship between access tokens and devices". Who keeps more for a device than is known here
(its keys, messages that wait for it) adds a step; steps run in the transaction that removes the device.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from ranvier.db.engine import Database, Tx
from ranvier.store import devices, tokens
from ranvier.users.last_seen import LastSeen
from ranvier.users.sessions import Sessions

Ending = Callable[[bool], Awaitable[None]]
"""Called once when the transaction is over, with whether it was committed."""
Step = Callable[[Tx, str, Sequence[str]], Awaitable[Ending | None]]
Listener = Callable[[str, Sequence[str]], None]


class Removal:
    """One transaction in which devices of one user are removed."""

    def __init__(self, tx: Tx, user_id: str, steps: Sequence[Step]) -> None:
        self.tx = tx
        self.user_id = user_id
        self.device_ids: list[str] = []
        """Those that have been removed."""
        self.endings: list[Ending] = []
        self._steps = steps

    async def remove(self, device_ids: Sequence[str]) -> None:
        """Remove devices with their tokens; those that do not exist are no error."""
        if not device_ids:
            return
        await tokens.delete_of_devices(self.tx, self.user_id, device_ids)
        await devices.delete(self.tx, self.user_id, device_ids)
        for step in self._steps:
            ending = await step(self.tx, self.user_id, device_ids)
            if ending is not None:
                self.endings.append(ending)
        self.device_ids.extend(device_ids)


class DeviceRemoval:
    """Shared by everything that logs devices out."""

    def __init__(self, *, db: Database, sessions: Sessions, last_seen: LastSeen) -> None:
        self._db = db
        self._sessions = sessions
        self._last_seen = last_seen
        self.steps: list[Step] = []
        """Further statements: `(tx, user_id, device_ids)`."""
        self.listeners: list[Listener] = []
        """Told after the commit: `(user_id, device_ids)`."""

    @asynccontextmanager
    async def transaction(self, user_id: str) -> AsyncIterator[Removal]:
        """A write transaction in which devices can be removed; after its commit everybody is told."""
        endings: list[Ending] = []
        committed = False
        try:
            async with self._db.write() as tx:
                removal = Removal(tx, user_id, self.steps)
                endings = removal.endings
                yield removal
            committed = True
            self._announce(user_id, removal.device_ids)
        finally:
            for ending in endings:
                await ending(committed)

    def _announce(self, user_id: str, device_ids: Sequence[str]) -> None:
        self._sessions.forget_user(user_id)
        if not device_ids:
            return
        for device_id in device_ids:
            self._last_seen.forget(user_id, device_id)
        for listener in self.listeners:
            listener(user_id, device_ids)
