"""Tells other servers how present this one's users are.

Spec: server-server API, "Presence": only servers that share a room with the user. Changes are gathered for a moment, and
of each user only the last one is sent; a server that cannot be reached is told nothing of it later. Who stays as they are
is told again now and then, since others forget. Nothing is sent where presence is switched off.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from ranvier.config.sections import PresenceConfig
from ranvier.federation.outgoing_typing import QueuesEdus
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.whereabouts import Whereabouts
from ranvier.store.rooms import JOIN
from ranvier.users.presence import Presence, PresenceTracker

logger = logging.getLogger(__name__)

GATHER_S: Final = 1.0
REPEAT_S: Final = 1200.0
"""Sooner than others forget."""
AT_ONCE: Final = 200
"""So many users are looked at in each round."""


class OutgoingPresence:
    """Listens to the tracker, and to `Whereabouts` (`on_commit`). `run` must be running."""

    def __init__(
        self,
        *,
        tracker: PresenceTracker,
        whereabouts: Whereabouts,
        rooms: Rooms,
        sender: QueuesEdus,
        clock: Clock,
        config: PresenceConfig,
        server_name: str,
    ) -> None:
        self._tracker = tracker
        self._whereabouts = whereabouts
        self._rooms = rooms
        self._sender = sender
        self._clock = clock
        self._excluded = config.exclude_rooms
        self._server_name = server_name
        self._changed: dict[str, None] = {}
        self._repeated = clock.monotonic()
        if tracker.is_on:
            tracker.listeners.append(self._on_change)

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Whoever joins is shown to the servers there."""
        if not self._tracker.is_on:
            return
        for append in batch:
            for change in append.members:
                is_new = change.membership == JOIN and change.previous != JOIN
                if is_new and change.is_local and self._tracker.of(change.user_id).presence != "offline":
                    self._changed[change.user_id] = None

    async def run(self) -> None:
        """Send changes, until cancelled."""
        while True:
            await self._clock.sleep(GATHER_S)
            now = self._clock.monotonic()
            if now - self._repeated >= REPEAT_S:
                self._repeated = now
                self._changed.update((user, None) for user in self._tracker.present() if self._is_local(user))
            for user_id in list(self._changed)[:AT_ONCE]:
                del self._changed[user_id]
                try:
                    await self._send(user_id)
                except Exception:
                    logger.exception("Could not tell other servers how present %s is", user_id)

    def _on_change(self, user_id: str, pos: int) -> None:
        if self._is_local(user_id):
            self._changed[user_id] = None

    def _is_local(self, user_id: str) -> bool:
        return domain_of(user_id) == self._server_name

    async def _send(self, user_id: str) -> None:
        others = await self._audience(user_id) - {self._server_name}
        if others:
            update = _update(user_id, self._tracker.of(user_id), self._clock.now_ms())
            key = ("m.presence", user_id)
            self._sender.queue_edu(others, "m.presence", {"push": [update]}, key=key, keep=False)

    async def _audience(self, user_id: str) -> frozenset[str]:
        if not self._excluded:
            return await self._whereabouts.servers_of(user_id)
        found: set[str] = set()
        for room_nid in list(await self._whereabouts.of(user_id)):
            if (await self._rooms.by_nid(room_nid)).room_id not in self._excluded:
                found.update(await self._whereabouts.servers_in(room_nid))
        return frozenset(found)


def _update(user_id: str, presence: Presence, now_ms: int) -> dict[str, Any]:
    update: dict[str, Any] = {"user_id": user_id, "presence": presence.presence}
    last_active_ts = 0 if presence.last_active_ts is None else presence.last_active_ts
    update["last_active_ago"] = max(0, now_ms - last_active_ts)
    if presence.status_msg is not None:
        update["status_msg"] = presence.status_msg
    if presence.presence == "online":
        update["currently_active"] = presence.currently_active
    return update
