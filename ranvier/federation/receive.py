"""Transactions from other servers.

Spec: server-server API, "Transactions". What can be taken in at once is, as one write a room, before the answer goes out.
What cites events that are not known is written down, acknowledged, and taken in when these have been found: a slow third
server does not hold up the one that sends.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from ranvier.federation.acl import is_allowed
from ranvier.federation.pdu_times import PduTimes
from ranvier.federation.screening import Screens, parse_pdu
from ranvier.federation.waiting_events import WaitingEvents, decoded_pdu
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.ids import is_room_id
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import REJECTED

logger = logging.getLogger(__name__)

MAX_PDUS: Final = 50
MAX_EDUS: Final = 100
REMEMBERED: Final = 2000
"""How many transactions are remembered, so that a repeated one is answered as the first time."""

Results = dict[str, dict[str, str]]


class Receiving:
    """Takes transactions in. `start` resumes what the last process left."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        accepting: Accepting,
        waiting: WaitingEvents,
        screens: Screens,
        is_here: Callable[[Room], Awaitable[bool]],
        on_edus: Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]],
        on_outside: Callable[[str, str, Sequence[Mapping[str, Any]]], Awaitable[None]],
        pdu_times: PduTimes,
    ) -> None:
        """`is_here` says whether a local user is in a room; `on_edus` takes a server's EDUs, `on_outside` (server, room,
        events) what is about rooms in which nobody is.
        """
        self._rooms = rooms
        self._accepting = accepting
        self._waiting = waiting
        self._screens = screens
        self._is_here = is_here
        self._on_edus = on_edus
        self._on_outside = on_outside
        self._pdu_times = pdu_times
        self._answered: OrderedDict[tuple[str, str], asyncio.Task[Results]] = OrderedDict()

    async def start(self) -> None:
        """Go on with what was acknowledged and is not in its room yet. One statement."""
        await self._waiting.start()

    async def stop(self) -> None:
        """Stop looking for what is missing; it is written down."""
        tasks = [task for task in self._answered.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._waiting.stop()

    @property
    def is_busy(self) -> bool:
        """Whether anything is being looked for."""
        return self._waiting.is_busy

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
        decoded = [decoded_pdu(pdu, room.version) for pdu in pdus]
        screening = await self._screens.screen(decoded, room.version, room_id=room_id)
        by_id = {one.event.event_id: one for one in screening.passed}
        ordered = ancestors_first({key: one.event for key, one in by_id.items()}, lambda event: event.prev_events)
        self._pdu_times.received(origin, ordered)
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
            await self._waiting.keep(origin, room_id, left)
        return results


def _room_id(pdu: bytes) -> str | None:
    """Which room an event is of; a create event that names its room is never sent alone."""
    try:
        decoded = orjson.loads(pdu)
    except orjson.JSONDecodeError:
        return None
    room_id = decoded.get("room_id") if isinstance(decoded, dict) else None
    return room_id if isinstance(room_id, str) and is_room_id(room_id) else None


def _ids(pdus: Sequence[bytes], room: Room | None) -> list[str]:
    """Ids of events that are not looked at any further, as far as they can be known."""
    found = []
    for pdu in pdus:
        decoded = orjson.loads(pdu)
        if isinstance(decoded.get("event_id"), str):
            found.append(decoded["event_id"])
        elif room is not None:
            with suppress(InvalidEvent):
                found.append(parse_pdu(decoded_pdu(pdu, room.version), room.version).event_id)
    return found
