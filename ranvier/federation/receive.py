"""Transactions from other servers.

Spec: server-server API, "Transactions". What can be taken in at once is, as one write a room, before the answer goes out.
What cites events that are not known is written down, acknowledged, and taken in when these have been found: a slow third
server does not hold up the one that sends.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from heapq import nsmallest
from typing import Any, Final

import orjson

from ranvier.db.engine import Database
from ranvier.federation.acl import is_allowed
from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.screening import Screened, Screens, parse_pdu
from ranvier.ports import Clock
from ranvier.proto.canonical_json import decode_lenient
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.ids import is_room_id
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import inbound_events
from ranvier.store.events import REJECTED
from ranvier.store.inbound_events import InboundEvent

logger = logging.getLogger(__name__)

MAX_PDUS: Final = 50
MAX_EDUS: Final = 100
REMEMBERED: Final = 2000
"""How many transactions are remembered, so that a repeated one is answered as the first time."""
WAITING: Final = 1000
"""How many events of one room may wait for others; further ones are dropped: they are found again by asking."""
OTHERS: Final = 3
"""How many servers beside the sender are asked for what an event needs."""
TRIES: Final = (0.0, 10.0, 60.0, 300.0)
"""Seconds to wait before each attempt to find what an event needs."""

Results = dict[str, dict[str, str]]


class Receiving:
    """Takes transactions in. `start` resumes what the last process left."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        rooms: Rooms,
        accepting: Accepting,
        gaps: Gaps,
        screens: Screens,
        is_here: Callable[[Room], Awaitable[bool]],
        on_edus: Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]],
        on_outside: Callable[[str, str, Sequence[Mapping[str, Any]]], Awaitable[None]],
        hosts_of: Callable[[Room], Awaitable[Collection[str]]] | None = None,
        server_name: str = "",
    ) -> None:
        """`is_here` says whether a local user is in a room; `on_edus` takes a server's EDUs, `on_outside` (server, room,
        events) what is about rooms in which nobody is. `hosts_of` tells the servers in a room, which may be asked for
        what the sender of an event does not give.
        """
        self._hosts_of = hosts_of
        self._server_name = server_name
        self._db = db
        self._clock = clock
        self._rooms = rooms
        self._accepting = accepting
        self._gaps = gaps
        self._screens = screens
        self._is_here = is_here
        self._on_edus = on_edus
        self._on_outside = on_outside
        self._answered: OrderedDict[tuple[str, str], asyncio.Task[Results]] = OrderedDict()
        self._waiting: dict[str, OrderedDict[str, InboundEvent]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with what was acknowledged and is not in its room yet. One statement."""
        for inbound in await inbound_events.every(self._db):
            self._wait(inbound)

    async def stop(self) -> None:
        """Stop looking for what is missing; it is written down."""
        tasks = [*self._workers.values(), *(task for task in self._answered.values() if not task.done())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being looked for."""
        return bool(self._workers)

    async def transaction(
        self, origin: str, txn_id: str, pdus: Sequence[bytes], edus: Sequence[Mapping[str, Any]]
    ) -> Results:
        """Take in a transaction; what became of each event by id, an empty object if nothing is wrong.

        `pdus` are as they came, in JSON: which numbers may be in them depends on the room.

        A repetition is answered as the first time, and waits for it if that is under way. Raises 400 if it is too large.
        """
        if len(pdus) > MAX_PDUS or len(edus) > MAX_EDUS:
            raise MatrixError(400, "M_TOO_LARGE", f"At most {MAX_PDUS} PDUs and {MAX_EDUS} EDUs")
        key = origin, txn_id
        task = self._answered.get(key)
        if task is None:
            task = self._answered[key] = asyncio.ensure_future(self._take(origin, pdus, edus))
            task.add_done_callback(lambda done: self._forget_failed(key, done))
            while len(self._answered) > REMEMBERED:
                _, oldest = self._answered.popitem(last=False)
                if not oldest.done():
                    break
        return await asyncio.shield(task)

    def _forget_failed(self, key: tuple[str, str], task: asyncio.Task[Results]) -> None:
        """What could not be stored is taken in when it comes again."""
        if (task.cancelled() or task.exception() is not None) and self._answered.get(key) is task:
            del self._answered[key]

    async def _take(self, origin: str, pdus: Sequence[bytes], edus: Sequence[Mapping[str, Any]]) -> Results:
        by_room: dict[str, list[bytes]] = {}
        for pdu in pdus:
            room_id = _room_id(pdu)
            if room_id is not None:
                by_room.setdefault(room_id, []).append(pdu)
        taken = await asyncio.gather(*(self._take_room(origin, room_id, of) for room_id, of in by_room.items()))
        await self._on_edus(origin, edus)
        return {event_id: result for results in taken for event_id, result in results.items()}

    async def _take_room(self, origin: str, room_id: str, pdus: Sequence[bytes]) -> Results:
        room = await self._rooms.find(room_id)
        if room is None or not await self._is_here(room):
            await self._on_outside(origin, room_id, [orjson.loads(pdu) for pdu in pdus])
            return {event_id: {"error": "Nobody here is in this room"} for event_id in _ids(pdus, room)}
        if not is_allowed(room, origin):
            return {event_id: {"error": "Your server is not allowed in this room"} for event_id in _ids(pdus, room)}
        decoded = [_decoded(pdu, room.version) for pdu in pdus]
        screening = await self._screens.screen(decoded, room.version, room_id=room_id)
        by_id = {one.event.event_id: one for one in screening.passed}
        ordered = ancestors_first({key: one.event for key, one in by_id.items()}, lambda event: event.prev_events)
        ready = [by_id[event.event_id] for event in ordered]
        results: Results = {event_id: {"error": why} for event_id, why in screening.refused.items()}
        stored = await self._accepting.accept(
            room_id, [Arrival(event=one.event, authoriser_signed=one.authoriser_signed) for one in ready]
        )
        left = []
        for one, taken in zip(ready, stored, strict=True):
            is_rejected = taken is not None and taken.status == REJECTED
            results[one.event.event_id] = {"error": "The event is not allowed here"} if is_rejected else {}
            if taken is None:
                left.append(one)
        if left:
            await self._keep(origin, room_id, left)
        return results

    async def _keep(self, origin: str, room_id: str, left: Sequence[Screened]) -> None:
        """Write down what has to wait, so that it can be acknowledged."""
        now = self._clock.now_ms()
        inbound = [InboundEvent(room_id, one.event.event_id, origin, now, one.event.json) for one in left]
        room_for = max(0, WAITING - len(self._waiting.get(room_id, ())))
        async with self._db.write() as tx:
            await inbound_events.insert(tx, inbound[:room_for])
        for one in inbound[:room_for]:
            self._wait(one)

    def _wait(self, inbound: InboundEvent) -> None:
        waiting = self._waiting.setdefault(inbound.room_id, OrderedDict())
        waiting.setdefault(inbound.event_id, inbound)
        if inbound.room_id not in self._workers:
            worker = asyncio.ensure_future(self._work(inbound.room_id))
            self._workers[inbound.room_id] = worker

    async def _work(self, room_id: str) -> None:
        """Take in what waits in a room, one event after the other."""
        try:
            while waiting := self._waiting.get(room_id):
                inbound = next(iter(waiting.values()))
                try:
                    await self._find(room_id, inbound)
                except asyncio.CancelledError:
                    raise
                except Exception:
                    # One event that cannot be dealt with must not hold up the others.
                    logger.exception("Could not take in %s", inbound.event_id)
                async with self._db.write() as tx:
                    await inbound_events.delete(tx, [inbound.event_id])
                del waiting[inbound.event_id]
        finally:
            self._waiting.pop(room_id, None)
            self._workers.pop(room_id, None)

    async def _find(self, room_id: str, inbound: InboundEvent) -> None:
        for wait_s in TRIES:
            await self._clock.sleep(wait_s)
            room = await self._rooms.find(room_id)
            if room is None or not await self._is_here(room):
                return
            decoded = [_decoded(inbound.json, room.version)]
            screening = await self._screens.screen(decoded, room.version, room_id=room_id)
            if not screening.passed:
                return
            for server in await self._servers(room, inbound.origin):
                try:
                    await self._gaps.take(room, screening.passed[0], server)
                except (GapError, RemoteError, Unreachable) as error:
                    logger.info("Could not find what %s needs at %s: %s", inbound.event_id, server, error)
                else:
                    return
        logger.warning("Gave up finding what %s in %s needs", inbound.event_id, room_id)

    async def _servers(self, room: Room, origin: str) -> list[str]:
        """Whom to ask: who has sent the event, and some of those in the room, for the sender may have left it."""
        others = await self._hosts_of(room) if self._hosts_of is not None else ()
        return [origin, *nsmallest(OTHERS, (name for name in others if name not in (origin, self._server_name)))]


def _room_id(pdu: bytes) -> str | None:
    """Which room an event is of; a create event that names its room is never sent alone."""
    try:
        decoded = orjson.loads(pdu)
    except orjson.JSONDecodeError:
        return None
    room_id = decoded.get("room_id") if isinstance(decoded, dict) else None
    return room_id if isinstance(room_id, str) and is_room_id(room_id) else None


def _decoded(pdu: bytes, version: RoomVersion) -> Any:
    # The faster decoder rounds integers beyond 64 bits, which only the old versions may have.
    return orjson.loads(pdu) if version.strict_canonical_json else decode_lenient(pdu)


def _ids(pdus: Sequence[bytes], room: Room | None) -> list[str]:
    """Ids of events that are not looked at any further, as far as they can be known."""
    found = []
    for pdu in pdus:
        decoded = orjson.loads(pdu)
        if isinstance(decoded.get("event_id"), str):
            found.append(decoded["event_id"])
        elif room is not None:
            with suppress(InvalidEvent):
                found.append(parse_pdu(_decoded(pdu, room.version), room.version).event_id)
    return found
