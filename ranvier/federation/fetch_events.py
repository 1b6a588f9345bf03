"""Asking one server for events of a room: those before an event, auth chains, states. All are screened.

Spec: server-server API, "Retrieving events", "Backfilling and retrieving missing events". What is told of states and auth
chains is stored as outliers.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError
from ranvier.federation.paths import path
from ranvier.federation.screening import Screened, Screens
from ranvier.federation.split_events import NotEvents
from ranvier.federation.state_stream import Batch, read_state
from ranvier.proto.events import Event
from ranvier.rooms.outlier_intake import OutlierIntake
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

MISSING_EVENTS: Final = 50
"""How many events between are asked for at once."""
EVENTS_ONE_BY_ONE: Final = 30
"""If more events of a state are missing, the state is fetched whole."""
AT_ONCE: Final = 5
STATE_BYTES: Final = 256 << 20
STATE_TIMEOUT_S: Final = 120.0
WHOLE_STATE_TIMEOUT_S: Final = 600.0
"""For all of a state; it is stored while it comes in, so that this holds our own work too."""
STATE_EVENTS: Final = 500_000
"""The most events of a state and its auth chain; the greatest rooms have less than half of it."""
LOOKED_UP: Final = 250
"""Events that are looked up in one statement."""


class GapError(Exception):
    """What is missing could not be had; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class StateIds:
    """A state as a server tells it."""

    state: frozenset[str]
    auth_chain: frozenset[str]


class EventFetch:
    """Asks. Everything raises `Unreachable`, `RemoteError`, or `GapError` for answers that make no sense."""

    def __init__(self, *, rooms: Rooms, outliers: Outliers, client: FederationClient, screens: Screens) -> None:
        self._rooms = rooms
        self._outliers = outliers
        self._client = client
        self._screens = screens

    async def before(self, room: Room, event_ids: Sequence[str], server: str) -> list[Screened]:
        """Events before these that the room's ends do not reach, as far as the server gives them.

        Depths are not looked at: they are what somebody has claimed.
        """
        asked = {
            "earliest_events": [stored.event.event_id for stored in room.extremities],
            "latest_events": list(event_ids),
            "limit": MISSING_EVENTS,
            "min_depth": 0,
        }
        answer = await self._client.post(server, path("v1", "get_missing_events", room.room_id), content=asked)
        pdus = _pdus(answer, "events")[:MISSING_EVENTS]
        return (await self._screens.screen(pdus, room.version, room_id=room.room_id)).passed

    async def auth_chain(self, room: Room, event: Event, server: str) -> None:
        """Store what authorises an event."""
        at = path("v1", "event_auth", room.room_id, event.event_id)
        answer = await self._client.get(server, at, timeout_s=STATE_TIMEOUT_S, limit_bytes=STATE_BYTES)
        await self._store(room, _pdus(answer, "auth_chain"))

    async def state_ids(self, room: Room, event: Event, server: str) -> StateIds:
        """The state before an event."""
        at = path("v1", "state_ids", room.room_id)
        answer = await self._client.get(server, at, query=[("event_id", event.event_id)], timeout_s=STATE_TIMEOUT_S)
        ids = StateIds(frozenset(_ids(answer, "pdu_ids")), frozenset(_ids(answer, "auth_chain_ids")))
        if len(ids.state) + len(ids.auth_chain) > STATE_EVENTS:
            raise GapError(f"{server} tells a state of more than {STATE_EVENTS} events")
        return ids

    async def state(
        self, room: Room, event: Event, ids: StateIds, server: str, *, without_refused: bool = False
    ) -> list[StoredEvent]:
        """The same as `state_in_portions`, as a whole."""
        portions = self.state_in_portions(room, event, ids, server, without_refused=without_refused)
        return [stored async for portion in portions for stored in portion]

    async def state_in_portions(
        self, room: Room, event: Event, ids: StateIds, server: str, *, without_refused: bool = False
    ) -> AsyncIterator[list[StoredEvent]]:
        """The events of the state before an event; those that are not known the server has to give.

        `without_refused`: those that it gives, but whose signatures do not prove them, are left out. There are such ones
        in every large room: keys are gone with the servers that signed with them. What is not given is noticed at the end.
        """
        missing = await self._missing(room, ids.state | ids.auth_chain)
        refused = set[str]()
        if 0 < len(missing) <= EVENTS_ONE_BY_ONE:
            refused.update(await self._fetch_events(room, missing, server))
            # A server that has let us in and then left still tells the state at our join, but no single events.
            lacks = bool(await self._missing(room, ids.state.intersection(missing).difference(refused)))
        else:
            lacks = bool(missing)
        if lacks:
            refused.update(await self._fetch_state(room, event, server))
        absent = 0
        for portion in _portions(ids.state):
            known = await self.known(room, portion)
            absent += sum(one not in known and not (without_refused and one in refused) for one in portion)
            yield list(known.values())
        if absent:
            raise GapError(f"{server} did not give {absent} events of the state before {event.event_id}")

    async def _missing(self, room: Room, event_ids: Collection[str]) -> list[str]:
        missing: list[str] = []
        for portion in _portions(event_ids):
            known = await self.known(room, portion)
            missing += [event_id for event_id in portion if event_id not in known]
        return missing

    async def known(self, room: Room, event_ids: Collection[str]) -> dict[str, StoredEvent]:
        """Those of these events that are in the room, in its graph or not."""
        here: dict[str, StoredEvent] = {}
        for portion in _portions(event_ids):
            await asyncio.sleep(0)  # There may be very many, and reading may not let others go on.
            found = await self._rooms.cache.by_id(portion)
            here |= {event_id: stored for event_id, stored in found.items() if is_in(stored, room)}
        return here

    async def _fetch_state(self, room: Room, event: Event, server: str) -> Collection[str]:
        """Store what the server tells as it comes in: it may be a quarter of a million events."""
        intake = OutlierIntake(room=room, rooms=self._rooms, outliers=self._outliers)
        refused = set[str]()
        streaming = self._client.stream(
            server,
            path("v1", "state", room.room_id),
            query=[("event_id", event.event_id)],
            timeout_s=WHOLE_STATE_TIMEOUT_S,
            limit_bytes=STATE_BYTES,
        )
        try:
            async with streaming as chunks, aclosing(self._batches(room, chunks)) as batches:
                async for batch in batches:
                    screening = batch.screening
                    refused.update(screening.refused)
                    await intake.add(
                        [one.event for one in screening.passed], badly_authorised=screening.badly_authorised
                    )
        except NotEvents as error:
            raise GapError(f"{server} does not tell a state: {error}") from error
        await intake.finish()
        return refused

    def _batches(self, room: Room, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Batch, None]:
        return read_state(
            chunks, room.version, room_id=room.room_id, screens=self._screens, most_events=2 * STATE_EVENTS
        )

    async def _fetch_events(self, room: Room, event_ids: Sequence[str], server: str) -> Collection[str]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def fetch(event_id: str) -> Sequence[Any]:
            async with slots:
                try:
                    answer = await self._client.get(server, path("v1", "event", event_id))
                except RemoteError:
                    return ()
            return _pdus(answer, "pdus")[:1]

        answers = await asyncio.gather(*(fetch(event_id) for event_id in event_ids))
        return await self._store(room, [pdu for answer in answers for pdu in answer])

    async def _store(self, room: Room, pdus: Sequence[Any]) -> Collection[str]:
        """The ids of those that are refused."""
        screening = await self._screens.screen(pdus, room.version, room_id=room.room_id)
        await self._outliers.store(
            room, [one.event for one in screening.passed], badly_authorised=screening.badly_authorised
        )
        return screening.refused


def _portions(event_ids: Collection[str]) -> Iterator[list[str]]:
    wanted = sorted(event_ids)
    return (wanted[start : start + LOOKED_UP] for start in range(0, len(wanted), LOOKED_UP))


def is_in(stored: StoredEvent, room: Room) -> bool:
    """Whether an event belongs to what the room consists of."""
    return stored.room_nid == room.room_nid and not stored.is_outside


def _ids(answer: Any, key: str) -> list[str]:
    ids = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(ids, list) or not all(isinstance(event_id, str) for event_id in ids):
        raise GapError(f"{key}: not a list of event ids")
    return ids


def _pdus(answer: Any, key: str) -> list[Any]:
    pdus = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(pdus, list):
        raise GapError(f"{key}: not a list of events")
    return pdus
