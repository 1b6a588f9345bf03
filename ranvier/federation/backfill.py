"""History that other servers have: fetched when somebody scrolls up to where ours ends.

Spec: server-server API, "Backfilling and retrieving missing events".
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final
from weakref import WeakValueDictionary

from ranvier.db.engine import Database
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.paths import path
from ranvier.federation.screening import Screens
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.room import Room
from ranvier.store import backward_extremities

logger = logging.getLogger(__name__)

EVENTS: Final = 100
GAPS: Final = 5
SERVERS: Final = 5
"""How many servers are asked before it is left at what there is."""
NOT_AGAIN_S: Final = 60.0
"""So long nobody is asked again for what nobody had."""
REMEMBERED: Final = 1000


class Backfill:
    """Fetches history. `on_commit` is a listener of the appender."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        client: FederationClient,
        screens: Screens,
        gaps: Gaps,
        servers: Callable[[Room], Awaitable[Collection[str]]],
        server_name: str,
        rooms_with_gaps: Collection[int],
    ) -> None:
        """`servers` are those in a room; `rooms_with_gaps` is what `backward_extremities.rooms` says."""
        self._db = db
        self._clock = clock
        self._client = client
        self._screens = screens
        self._gaps = gaps
        self._servers = servers
        self._server_name = server_name
        self._rooms = set(rooms_with_gaps)
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._failed: OrderedDict[str, float] = OrderedDict()
        """When something was asked for in vain."""

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Note where something is missing from now on."""
        for append in batch:
            if append.gaps:
                self._rooms.add(append.room.room_nid)

    def may_have(self, room_nid: int) -> bool:
        """Whether something may be missing in this room's timeline."""
        return room_nid in self._rooms

    async def fetch(self, room: Room, *, low: int, high: int) -> bool:
        """Fetch what is missing below an event at `low <= pos <= high`; whether anything has come.

        One at a time in a room: who comes second finds what the first has fetched.
        """
        lock = self._locks.get(room.room_nid)
        if lock is None:
            lock = self._locks[room.room_nid] = asyncio.Lock()
        async with lock:
            found = await backward_extremities.between(self._db, room.room_nid, low, high, GAPS)
            wanted = [(event_id, pos) for event_id, pos in found if not self._has_failed(event_id)]
            if not wanted:
                return False
            below = max(pos for _, pos in wanted)
            missing = [event_id for event_id, pos in wanted if pos == below]
            for server in await self._candidates(room):
                try:
                    if await self._ask(room, server, missing, below):
                        return True
                except (GapError, RemoteError, Unreachable) as error:
                    logger.info("%s does not tell the history of %s: %s", server, room.room_id, error)
            for event_id in missing:
                self._failed[event_id] = self._clock.monotonic()
            while len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)
            return False

    async def _ask(self, room: Room, server: str, missing: Sequence[str], below: int) -> bool:
        query = [*(("v", event_id) for event_id in missing), ("limit", str(EVENTS))]
        answer = await self._client.get(server, path("v1", "backfill", room.room_id), query=query)
        pdus = answer.get("pdus") if isinstance(answer, dict) else None
        if not isinstance(pdus, list):
            raise GapError("pdus: not a list of events")
        screening = await self._screens.screen(pdus[:EVENTS], room.version, room_id=room.room_id)
        if self._gaps.is_purged(room, screening.passed):
            # Nobody is to be asked for it again.
            async with self._db.write() as tx:
                await backward_extremities.delete(tx, [(room.room_nid, event_id) for event_id in missing])
            return True
        return await self._gaps.take_history(room, screening.passed, server, below=below) > 0

    async def _candidates(self, room: Room) -> list[str]:
        """Servers to ask: those who speak for the room first."""
        there = set(await self._servers(room)) - {self._server_name}
        users = room.content("m.room.power_levels").get("users")
        powers = users if isinstance(users, dict) else {}
        create = room.state.get(("m.room.create", ""))
        first = [] if create is None else [create.event.sender]
        first += sorted(powers, key=lambda user: powers[user] if isinstance(powers[user], int) else 0, reverse=True)
        ordered = dict.fromkeys(domain_of(user) for user in first)
        return [*(server for server in ordered if server in there), *sorted(there - ordered.keys())][:SERVERS]

    def _has_failed(self, event_id: str) -> bool:
        at = self._failed.get(event_id)
        return at is not None and self._clock.monotonic() - at < NOT_AGAIN_S
