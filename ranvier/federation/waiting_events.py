"""Events that cite what is not known here: they wait until that is found.

They are written down, so that they can be acknowledged. What one server has sent waits in a line of its own, and an event
that has to be tried again later does not hold up the next: nobody can keep the others' events out of a room.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush, nsmallest
from typing import Any, Final

import orjson

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.screening import Screened, Screens
from ranvier.ports import Clock
from ranvier.proto.canonical_json import decode_lenient
from ranvier.proto.errors import MatrixError
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import inbound_events
from ranvier.store.inbound_events import InboundEvent

logger = logging.getLogger(__name__)

WAITING: Final = 200
"""How many events of one room and one server may wait; further ones are dropped: they are found again by asking."""
OTHERS: Final = 3
"""How many servers beside the sender are asked for what an event needs."""
PAUSES_S: Final = (10.0, 60.0, 300.0)
"""How long to wait after each attempt to find what an event needs, but the last."""
SPREAD_S: Final = 60.0
"""The last attempt of one server comes by up to so much later than that of others, so that one of them is the first."""

Line = tuple[str, str]
"""Room, and the server that has sent."""


@dataclass(slots=True)
class _Waiting:
    """The events of one line."""

    events: dict[str, InboundEvent] = field(default_factory=dict)
    due: list[tuple[float, int, int, str]] = field(default_factory=list)
    """A heap: when, a number, how often it was tried, and the event's id."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    def put(self, event_id: str, due_s: float, tries: int) -> None:
        self.count += 1
        heappush(self.due, (due_s, self.count, tries, event_id))
        self.news.set()


class WaitingEvents:
    """Looks for what they need. `start` goes on with what the last process has left."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        rooms: Rooms,
        gaps: Gaps,
        screens: Screens,
        is_here: Callable[[Room], Awaitable[bool]],
        hosts_of: Callable[[Room], Awaitable[Collection[str]]],
        server_name: str,
    ) -> None:
        """`is_here` says whether a local user is in a room, `hosts_of` which servers are."""
        self._db = db
        self._clock = clock
        self._rooms = rooms
        self._gaps = gaps
        self._screens = screens
        self._is_here = is_here
        self._hosts_of = hosts_of
        self._server_name = server_name
        self._lines: dict[Line, _Waiting] = {}
        self._workers: dict[Line, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with what was acknowledged and is not in its room yet. One statement."""
        for inbound in await inbound_events.every(self._db):
            self._wait(inbound)

    async def stop(self) -> None:
        """Stop looking; what waits is written down."""
        tasks = list(self._workers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being looked for."""
        return bool(self._workers)

    async def keep(self, origin: str, room_id: str, left: Sequence[Screened]) -> None:
        """Write down what has to wait, so that it can be acknowledged. One transaction."""
        now = self._clock.now_ms()
        line = self._lines.get((room_id, origin))
        free = WAITING if line is None else WAITING - len(line.events)
        inbound = [InboundEvent(room_id, one.event.event_id, origin, now, one.event.json) for one in left][
            : max(0, free)
        ]
        async with self._db.write() as tx:
            await inbound_events.insert(tx, inbound)
        for one in inbound:
            self._wait(one)

    def _wait(self, inbound: InboundEvent) -> None:
        at = inbound.room_id, inbound.origin
        line = self._lines.setdefault(at, _Waiting())
        if inbound.event_id not in line.events:
            line.events[inbound.event_id] = inbound
            line.put(inbound.event_id, self._clock.monotonic(), 0)
        if at not in self._workers:
            self._workers[at] = asyncio.ensure_future(self._work(at, line))

    async def _work(self, at: Line, line: _Waiting) -> None:
        """Take in what waits in a line, one event after the other."""
        try:
            while line.due:
                due_s, _, tries, event_id = line.due[0]
                pause_s = due_s - self._clock.monotonic()
                if pause_s > 0:
                    await self._sleep(line, pause_s)
                    continue
                heappop(line.due)
                if not await self._try(line.events[event_id], tries):
                    line.put(event_id, self._clock.monotonic() + self._pause_s(event_id, tries), tries + 1)
                    continue
                await self._forget(line.events.pop(event_id))
        finally:
            self._lines.pop(at, None)
            self._workers.pop(at, None)

    async def _forget(self, inbound: InboundEvent) -> None:
        try:
            async with self._db.write() as tx:
                await inbound_events.delete(tx, [inbound.event_id])
        except DatabaseError as error:
            # It is looked at once more after the next start.
            logger.warning("Could not forget that %s has waited: %s", inbound.event_id, error)

    async def _sleep(self, line: _Waiting, pause_s: float) -> None:
        """Until it is time, or something else has come."""
        line.news.clear()
        sleeping = asyncio.ensure_future(self._clock.sleep(pause_s))
        waking = asyncio.ensure_future(line.news.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    def _pause_s(self, event_id: str, tries: int) -> float:
        pause_s = PAUSES_S[tries]
        if tries + 1 < len(PAUSES_S):
            return pause_s
        digest = blake2b(f"{self._server_name} {event_id}".encode(), digest_size=4).digest()
        return pause_s + SPREAD_S * int.from_bytes(digest) / (1 << 32)

    async def _try(self, inbound: InboundEvent, tries: int) -> bool:
        """Whether the event need not wait any more."""
        is_last = tries >= len(PAUSES_S)
        try:
            await self._find(inbound, is_last=is_last)
        except GapError as error:
            logger.info("Could not find what %s in %s needs: %s", inbound.event_id, inbound.room_id, error)
            if is_last:
                logger.warning("Gave up finding what %s in %s needs", inbound.event_id, inbound.room_id)
            return is_last
        except MatrixError as error:
            logger.info("Could not take in %s in %s: %s", inbound.event_id, inbound.room_id, error)
            return is_last or error.status < 500
        except Exception:
            # One event that cannot be dealt with must not hold up the others.
            logger.exception("Could not take in %s", inbound.event_id)
        return True

    async def _find(self, inbound: InboundEvent, *, is_last: bool) -> None:
        room = await self._rooms.find(inbound.room_id)
        if room is None or not await self._is_here(room):
            return
        decoded = [decoded_pdu(inbound.json, room.version)]
        screening = await self._screens.screen(decoded, room.version, room_id=room.room_id)
        if screening.passed:
            servers = await self._servers(room, inbound.origin)
            await self._gaps.take(room, screening.passed[0], servers, is_last=is_last)

    async def _servers(self, room: Room, origin: str) -> list[str]:
        """Whom to ask: who has sent the event, and some of those in the room, for the sender may have left it."""
        others = (name for name in await self._hosts_of(room) if name not in (origin, self._server_name))
        return [origin, *nsmallest(OTHERS, others)]


def decoded_pdu(pdu: bytes, version: RoomVersion) -> Any:
    """The JSON of an event of a room of this version."""
    # The faster decoder rounds integers beyond 64 bits, which only the old versions may have.
    return orjson.loads(pdu) if version.strict_canonical_json else decode_lenient(pdu)
