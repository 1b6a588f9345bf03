"""Removing devices, in the one way that takes everything of theirs along.

Spec: client-server API, "Relationship between access tokens and devices". Who keeps more for a device than is known here
(its keys, messages that wait for it) adds a step; steps run in the transaction that removes the device.
"""

from collections.abc import Awaitable, Callable, Sequence

from ranvier.db.engine import Tx
from ranvier.store import devices, tokens
from ranvier.users.last_seen import LastSeen
from ranvier.users.sessions import Sessions

Step = Callable[[Tx, str, Sequence[str]], Awaitable[None]]
Listener = Callable[[str, Sequence[str]], None]


class DeviceRemoval:
    """Shared by everything that logs devices out."""

    def __init__(self, *, sessions: Sessions, last_seen: LastSeen) -> None:
        self._sessions = sessions
        self._last_seen = last_seen
        self.steps: list[Step] = []
        """Further statements: `(tx, user_id, device_ids)`."""
        self.listeners: list[Listener] = []
        """Told after the commit: `(user_id, device_ids)`."""

    async def remove(self, tx: Tx, user_id: str, device_ids: Sequence[str]) -> None:
        """Remove devices with their tokens. After the commit `announce` must be called."""
        if not device_ids:
            return
        await tokens.delete_of_devices(tx, user_id, device_ids)
        await devices.delete(tx, user_id, device_ids)
        for step in self.steps:
            await step(tx, user_id, device_ids)

    def announce(self, user_id: str, device_ids: Sequence[str]) -> None:
        """The removal has been committed."""
        self._sessions.forget_user(user_id)
        if not device_ids:
            return
        for device_id in device_ids:
            self._last_seen.forget(user_id, device_id)
        for listener in self.listeners:
            listener(user_id, device_ids)
