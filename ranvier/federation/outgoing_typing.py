"""Tells other servers who of this one's users is typing. Spec: server-server API, "Typing Notifications"."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any, Final, Protocol

from ranvier.db.engine import DatabaseError
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.typing import Typing, TypingChange

logger = logging.getLogger(__name__)

REPEAT_S: Final = 30.0
"""Others forget who is typing after a while, if they are not told again."""


class QueuesEdus(Protocol):
    """What is needed of the sender."""

    def queue_edu(
        self,
        destinations: Collection[str],
        edu_type: str,
        content: dict[str, Any],
        *,
        key: Any = None,
        keep: bool = True,
    ) -> None:
        """Queue an EDU; it takes the place of one with the same key that has not been sent yet."""
        ...


class OutgoingTyping:
    """Listens to `Typing`. `run` must be running for it to be said again."""

    def __init__(self, *, typing: Typing, hosts: Hosts, sender: QueuesEdus, clock: Clock, server_name: str) -> None:
        self._hosts = hosts
        self._sender = sender
        self._clock = clock
        self._server_name = server_name
        self._typing: dict[tuple[int, str], TypingChange] = {}
        self._loading: set[asyncio.Task[None]] = set()
        typing.listeners.append(self._on_change)

    async def run(self) -> None:
        """Say again who is still typing, until cancelled."""
        while True:
            await self._clock.sleep(REPEAT_S)
            for change in list(self._typing.values()):
                self._tell(change)

    async def close(self) -> None:
        """Say nothing more."""
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)

    def _on_change(self, change: TypingChange) -> None:
        if domain_of(change.user_id) != self._server_name:
            return
        if change.is_typing:
            self._typing[change.room_nid, change.user_id] = change
        else:
            self._typing.pop((change.room_nid, change.user_id), None)
        self._tell(change)

    def _tell(self, change: TypingChange) -> None:
        hosts = self._hosts.known(change.room_nid)
        if hosts is not None:
            self._queue(change, hosts)
            return
        task = asyncio.create_task(self._tell_when_known(change), name="outgoing typing")
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    async def _tell_when_known(self, change: TypingChange) -> None:
        try:
            self._queue(change, await self._hosts.in_room(change.room_nid))
        except DatabaseError as error:
            logger.info("Could not tell who is typing in %s: %s", change.room_id, error)

    def _queue(self, change: TypingChange, hosts: frozenset[str]) -> None:
        if len(hosts) > 1:
            content = {"room_id": change.room_id, "user_id": change.user_id, "typing": change.is_typing}
            key = ("m.typing", change.room_id, change.user_id)
            self._sender.queue_edu(hosts - {self._server_name}, "m.typing", content, key=key, keep=False)
