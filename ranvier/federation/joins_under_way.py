"""Joins of which nobody knows how they have ended, and taking them back.

Spec: server-server API, "Joining Rooms". A server may have let a user in although its answer was lost, or nothing has come
of it here. The room must not go on believing that a user is in it whose server has not come in: it is told that they have
left, sooner or later, also after a restart in the middle of a join.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.handshake import Handshakes
from ranvier.ports import Clock
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.store import joins_under_way as store

logger = logging.getLogger(__name__)

FIRST_MS: Final = 60_000
LONGEST_MS: Final = 3_600_000
GIVE_UP_MS: Final = 7 * 24 * 3_600_000
"""After so long nobody tries any more."""

Key = tuple[str, str]
"""User and room."""


@dataclass(slots=True)
class _Join:
    """Where somebody may have been let into a room."""

    since_ms: int
    servers: set[str] = field(default_factory=set)
    tries: int = 0
    next_try_ms: int = 0
    is_running: bool = False
    """Whether the user is being let in right now: then there is nothing to take back yet."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class JoinsUnderWay:
    """Remembers them on disk. `run` has to be running."""

    def __init__(
        self, *, db: Database, clock: Clock, handshakes: Handshakes, is_joined: Callable[[str, str], Awaitable[bool]]
    ) -> None:
        """`is_joined` says of a user and a room whether they are in it, as this server knows it."""
        self._db = db
        self._clock = clock
        self._handshakes = handshakes
        self._is_joined = is_joined
        self._joins: dict[Key, _Join] = {}
        self._woken = asyncio.Event()

    async def begin(self, user_id: str, room_id: str, server: str) -> None:
        """A join is about to be handed in at this server; nobody takes it back until it has `succeeded` or `failed`, or
        has been `broken_off`.
        """
        now = self._clock.now_ms()
        join = self._joins.setdefault((user_id, room_id), _Join(now))
        join.is_running = True
        join.since_ms = now
        async with join.lock:  # Not while an earlier one is being taken back.
            join.servers.add(server)
            self._joins[user_id, room_id] = join
            async with self._db.write() as tx:
                await store.begin(tx, user_id, room_id, server, now)

    async def refused(self, user_id: str, room_id: str, server: str) -> None:
        """This server has not let the user in."""
        await self._end(user_id, room_id, server)

    async def succeeded(self, user_id: str, room_id: str) -> None:
        """The user is in the room, and their server too."""
        if self._joins.pop((user_id, room_id), None) is not None:
            async with self._db.write() as tx:
                await store.end_all(tx, user_id, room_id)

    async def failed(self, user_id: str, room_id: str) -> None:
        """Nothing has come of it. Whoever may have let the user in is told so now, or if that cannot be, later."""
        join = self._joins.get((user_id, room_id))
        if join is not None:
            join.is_running = False
            await self._take_back((user_id, room_id), join)
            self._woken.set()

    def broken_off(self, user_id: str, room_id: str) -> None:
        """Nobody waits for it any more. Whether anything comes of it is seen a while later."""
        join = self._joins.get((user_id, room_id))
        if join is not None:
            join.is_running = False
            join.next_try_ms = self._clock.now_ms() + FIRST_MS
            self._woken.set()

    async def run(self) -> None:
        """Take back what an earlier run has left, and what could not be taken back at once, until cancelled."""
        for user_id, room_id, server, since_ms in await store.every(self._db):
            self._joins.setdefault((user_id, room_id), _Join(since_ms)).servers.add(server)
        while True:
            self._woken.clear()
            now = self._clock.now_ms()
            waiting = [(key, join) for key, join in self._joins.items() if not join.is_running]
            for key, join in waiting:
                if join.next_try_ms <= now and not join.is_running:
                    try:
                        await self._take_back(key, join)
                    except DatabaseError as error:
                        logger.warning("The join of %s to %s could not be taken back: %s", *key, error)
            await self._pause()

    async def _pause(self) -> None:
        """Until something is due, or has failed."""
        dues = [join.next_try_ms for join in self._joins.values() if not join.is_running]
        if not dues:
            await self._woken.wait()
            return
        await self._clock.sleep(max(1.0, (min(dues) - self._clock.now_ms()) / 1000))

    async def _take_back(self, key: Key, join: _Join) -> None:
        """Tell every server in question; those that could not be told stay."""
        user_id, room_id = key
        async with join.lock:
            if join.is_running or self._joins.get(key) is not join:
                return
            if await self._is_joined(user_id, room_id):
                await self.succeeded(user_id, room_id)
                return
            has_given_up = self._clock.now_ms() - join.since_ms >= GIVE_UP_MS
            for server in sorted(join.servers):
                if await self._is_told(user_id, room_id, server) or has_given_up:
                    await self._end(user_id, room_id, server)
            join.next_try_ms = self._clock.now_ms() + min(LONGEST_MS, FIRST_MS << min(join.tries, 10))
            join.tries += 1

    async def _is_told(self, user_id: str, room_id: str, server: str) -> bool:
        """Whether a server believes no more that the user is in the room."""
        try:
            template = await self._handshakes.make(server, "leave", room_id, user_id)
            leave = self._handshakes.complete(template, {"membership": "leave"})
            await self._handshakes.send(server, "leave", leave)
        except (RemoteError, Unreachable, BadAnswer) as error:
            logger.warning("The join of %s to %s could not be taken back at %s: %s", user_id, room_id, server, error)
            # Who says that there is nobody to leave has not let them in.
            return isinstance(error, RemoteError) and error.status in (403, 404)
        return True

    async def _end(self, user_id: str, room_id: str, server: str) -> None:
        join = self._joins.get((user_id, room_id))
        if join is None:
            return
        async with self._db.write() as tx:
            await store.end(tx, user_id, room_id, server)
        join.servers.discard(server)
        if not join.servers:
            self._joins.pop((user_id, room_id), None)
