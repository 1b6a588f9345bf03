"""Asking one server for events of a room: those before an event, auth chains, states. All are screened.

Spec: server-server API, "Retrieving events", "Backfilling and retrieving missing events". What is told of states and auth
chains is stored as outliers.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError
from ranvier.federation.further_keys import MOST_EVENTS, may_be_proven
from ranvier.federation.paths import path
from ranvier.federation.screening import Screened, Screens
from ranvier.federation.split_events import NotEvents
from ranvier.federation.state_stream import Batch, read_state
from ranvier.ports import FederationStream
from ranvier.proto.event_receipt import ReceivedEvent
from ranvier.proto.events import Event
from ranvier.rooms.outlier_intake import OutlierIntake
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.partial_rooms import PartialRoom
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
    listed: tuple[str, ...] = field(default=(), compare=False)
    """The ids of the state in the order in which they came, then those of the auth chain. Some may be there twice."""
    state_count: int = field(default=0, compare=False)
    """How many of those are of the state."""


@dataclass(slots=True)
class StreamedState:
    """What has become of the events of a state that a server told as a whole."""

    intake: OutlierIntake
    refused: set[str] = field(default_factory=set)
    """Ids of those that are malformed or not properly signed."""
    refused_state: set[str] = field(default_factory=set)
    """Those of them that are of the state, and not only of its auth chain."""
    malformed: int = 0
    """Those of the state that have no id."""
    unproven: dict[str, ReceivedEvent] = field(default_factory=dict)
    """By id those of the refused that further keys may prove; not all of them, if there are very many."""

    async def take(self, batch: Batch) -> None:
        """Some more."""
        screening = batch.screening
        for received in screening.unproven:
            if len(self.unproven) < MOST_EVENTS and may_be_proven(received):
                self.unproven[received.event.event_id] = received
        self.refused.update(screening.refused)
        if batch.is_state:
            self.refused_state.update(screening.refused)
            self.malformed += screening.malformed
        await self.intake.add(
            [one.event for one in screening.passed],
            badly_authorised=screening.badly_authorised,
            is_state=batch.is_state,
        )

    async def take_proven(self, events: Sequence[Event]) -> None:
        """These of the unproven ones are well signed after all."""
        ids = {event.event_id for event in events}
        for is_state in (True, False):
            await self.intake.add(
                [event for event in events if (event.event_id in self.refused_state) == is_state], is_state=is_state
            )
        await self.intake.finish()
        self.refused -= ids
        self.refused_state -= ids


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
        state, auth_chain = _ids(answer, "pdu_ids"), _ids(answer, "auth_chain_ids")
        if len(state) + len(auth_chain) > STATE_EVENTS:
            raise GapError(f"{server} tells a state of more than {STATE_EVENTS} events")
        return StateIds(frozenset(state), frozenset(auth_chain), (*state, *auth_chain), len(state))

    async def state(self, room: Room, event: Event, ids: StateIds, server: str) -> list[StoredEvent]:
        """The events of the state before an event; those that are not known the server has to give."""
        missing = await self.missing(room, ids.listed)
        if missing:
            await self.fetch_missing(room, event, ids, missing, server)
        found: list[StoredEvent] = []
        absent = 0
        async for portion, known in self.in_portions(room, ids.state):
            absent += len(portion) - len(known)
            found += known.values()
        if absent:
            raise GapError(f"{server} did not give {absent} events of the state before {event.event_id}")
        return found

    async def fetch_missing(
        self, room: Room, event: Event, ids: StateIds, missing: Collection[str], server: str
    ) -> Collection[str]:
        """Store these events of a state: few one by one, many with the whole state. The ids of those that are refused."""
        refused = set[str]()
        if len(missing) <= EVENTS_ONE_BY_ONE:
            refused.update(await self._fetch_events(room, sorted(missing), server))
            # A server that has let us in and then left still tells the state at our join, but no single events.
            if not await self.missing(room, sorted(ids.state.intersection(missing).difference(refused))):
                return refused
        streamed = await self.stream_state(room, event, server)
        return refused | streamed.refused

    async def missing(self, room: Room, event_ids: Iterable[str]) -> list[str]:
        """Those of these events that are not known, in the same order."""
        missing: list[str] = []
        async for portion, known in self.in_portions(room, event_ids):
            missing += [event_id for event_id in portion if event_id not in known]
        return missing

    async def in_portions(
        self, room: Room, event_ids: Iterable[str]
    ) -> AsyncIterator[tuple[list[str], dict[str, StoredEvent]]]:
        """Some of the events at a time: their ids, and those of them that are known. Others may go on in between."""
        remaining = iter(event_ids if isinstance(event_ids, Sequence) else sorted(event_ids))
        while portion := list(islice(remaining, LOOKED_UP)):
            await asyncio.sleep(0)
            found = await self._rooms.cache.by_id(portion)
            yield portion, {event_id: stored for event_id, stored in found.items() if is_in(stored, room)}

    async def known(self, room: Room, event_ids: Collection[str]) -> dict[str, StoredEvent]:
        """Those of these events that are in the room, in its graph or not."""
        here: dict[str, StoredEvent] = {}
        async for _, known in self.in_portions(room, event_ids):
            here |= known
        return here

    async def stream_state(
        self, room: Room, event: Event, server: str, *, all_known: AbstractSet[str] | None = None
    ) -> StreamedState:
        """Store what the server tells as it comes in: it may be a quarter of a million events.

        `all_known` as in `OutlierIntake`. How far it has come is noted in `room.partial`.
        """
        intake = OutlierIntake(room=room, rooms=self._rooms, outliers=self._outliers, all_known=all_known)
        streamed = StreamedState(intake)
        streaming = self._client.stream(
            server,
            path("v1", "state", room.room_id),
            query=[("event_id", event.event_id)],
            timeout_s=WHOLE_STATE_TIMEOUT_S,
            limit_bytes=STATE_BYTES,
        )
        try:
            async with streaming as answer, aclosing(self._batches(room, _counted(answer, room.partial))) as batches:
                async for batch in batches:
                    await streamed.take(batch)
                    if room.partial is not None:
                        room.partial.members = len(intake.told.memberships)
        except NotEvents as error:
            raise GapError(f"{server} does not tell a state: {error}") from error
        await intake.finish()
        return streamed

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


async def _counted(answer: FederationStream, partial: PartialRoom | None) -> AsyncGenerator[bytes, None]:
    """The pieces of an answer; how much has come is noted."""
    if partial is not None:
        length = answer.headers.get("content-length", "")
        is_packed = "content-encoding" in answer.headers
        partial.expected_bytes = int(length) if length.isdecimal() and not is_packed else 0
        partial.fetched_bytes = 0
    async for chunk in answer.chunks:
        if partial is not None:
            partial.fetched_bytes += len(chunk)
        yield chunk


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
