"""Finding what an event cites and we do not have: the events between, the state where they begin, the auth chain.

Spec: server-server API, "Retrieving events", "Backfilling and retrieving missing events". What is asked for in the name
of one event is bounded, whatever the other servers answer.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.federation.screening import Screened, Screens
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.events import Event
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

MISSING_EVENTS: Final = 50
"""How many events between are asked for at once."""
STATES: Final = 10
"""For how many events in the name of one the state is asked for."""
EVENTS_ONE_BY_ONE: Final = 30
"""If more events of a state are missing, the state is fetched whole."""
AT_ONCE: Final = 5
STATE_BYTES: Final = 256 << 20
STATE_TIMEOUT_S: Final = 120.0


class GapError(Exception):
    """What is missing could not be had; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an event cites that is not known."""

    auth_events: tuple[str, ...]
    prev_events: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.auth_events or self.prev_events)


class Gaps:
    """Asks other servers for what is missing."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        accepting: Accepting,
        outliers: Outliers,
        client: FederationClient,
        screens: Screens,
    ) -> None:
        self._rooms = rooms
        self._accepting = accepting
        self._outliers = outliers
        self._client = client
        self._screens = screens

    async def needs(self, room: Room, event: Event) -> Needs:
        """What of the events that this one cites is not known, or has no place in the room yet."""
        known = await self._rooms.cache.by_id([*event.auth_events, *event.prev_events])
        here = {event_id: stored for event_id, stored in known.items() if _is_in(stored, room)}
        return Needs(
            tuple(event_id for event_id in event.auth_events if event_id not in here),
            tuple(
                event_id
                for event_id in event.prev_events
                if event_id not in here or here[event_id].state_before is None
            ),
        )

    async def take(self, room: Room, one: Screened, server: str) -> StoredEvent:
        """Take an event in, together with what it needs, which `server` should have.

        While the room is partially joined no state is asked for, which would be all of its members: it is guessed, and
        put right when the room becomes full.
        Raises `GapError`, `Unreachable` or `RemoteError` if that cannot be had.
        """
        found = [one]
        if (await self.needs(room, one.event)).prev_events:
            between = await self._events_between(room, one.event, server)
            by_id = {screened.event.event_id: screened for screened in between}
            events = {event_id: screened.event for event_id, screened in by_id.items()}
            ordered = ancestors_first(events, lambda event: event.prev_events)
            found = [*(by_id[event.event_id] for event in ordered), one]
        states = 0
        stored: StoredEvent | None = None
        for screened in found:
            event = screened.event
            needs = await self.needs(room, event)
            if needs.auth_events:
                await self._fetch_auth_chain(room, event, server)
            state = None
            guesses = room.partial is not None
            if needs.prev_events and not guesses:
                states += 1
                if states > STATES:
                    raise GapError(f"the history before {one.event.event_id} is scattered")
                state = await self.state_before(room, event, server)
            arrival = Arrival(
                event=event, authoriser_signed=screened.authoriser_signed, state=state, guesses_state=guesses
            )
            (stored,) = await self._accepting.accept(room.room_id, [arrival])
        if stored is None:
            raise GapError(f"auth events of {one.event.event_id} are missing")
        return stored

    async def take_history(self, room: Room, found: Sequence[Screened], server: str, *, below: int) -> int:
        """Take in old events, which `server` has told, below the event at this position; how many have come.

        Where they begin the state is asked for. Raises as `take`.
        """
        by_id = {screened.event.event_id: screened for screened in found}
        events = {event_id: screened.event for event_id, screened in by_id.items()}
        known = await self._known(room, {cited for event in events.values() for cited in event.prev_events})
        placed = {event_id for event_id, stored in known.items() if stored.state_before is not None}
        arrivals = []
        states = 0
        for event in ancestors_first(events, lambda event: event.prev_events):
            if (await self.needs(room, event)).auth_events:
                await self._fetch_auth_chain(room, event, server)
            state = None
            guesses = room.partial is not None
            if not placed.issuperset(event.prev_events) and not guesses:
                states += 1
                if states > STATES:
                    continue
                state = await self.state_before(room, event, server)
            placed.add(event.event_id)
            arrivals.append(
                Arrival(
                    event=event,
                    authoriser_signed=by_id[event.event_id].authoriser_signed,
                    state=state,
                    guesses_state=guesses,
                    below=below,
                )
            )
        taken = await self._accepting.accept(room.room_id, arrivals)
        return sum(stored is not None for stored in taken)

    async def state_before(self, room: Room, event: Event, server: str) -> list[StoredEvent]:
        """The state before an event as `server` tells it, all of its events known. Raises as `take`."""
        at = path("v1", "state_ids", room.room_id)
        answer = await self._client.get(server, at, query=[("event_id", event.event_id)], timeout_s=STATE_TIMEOUT_S)
        state_ids, chain_ids = _ids(answer, "pdu_ids"), _ids(answer, "auth_chain_ids")
        known = await self._known(room, [*state_ids, *chain_ids])
        missing = [event_id for event_id in dict.fromkeys([*chain_ids, *state_ids]) if event_id not in known]
        if len(missing) > EVENTS_ONE_BY_ONE:
            await self._fetch_state(room, event, server)
        elif missing:
            await self._fetch_events(room, missing, server)
        known = await self._known(room, state_ids)
        absent = [event_id for event_id in state_ids if event_id not in known]
        if absent:
            raise GapError(f"{server} did not give {len(absent)} events of the state before {event.event_id}")
        return [known[event_id] for event_id in state_ids]

    async def _known(self, room: Room, event_ids: Collection[str]) -> dict[str, StoredEvent]:
        found = await self._rooms.cache.by_id(list(dict.fromkeys(event_ids)))
        return {event_id: stored for event_id, stored in found.items() if _is_in(stored, room)}

    async def _events_between(self, room: Room, event: Event, server: str) -> list[Screened]:
        """Events before this one that the room's extremities do not reach, as far as `server` gives them."""
        earliest = [stored.event.event_id for stored in room.extremities]
        depth = min((stored.event.depth for stored in room.extremities), default=0)
        asked = {
            "earliest_events": earliest,
            "latest_events": [event.event_id],
            "limit": MISSING_EVENTS,
            "min_depth": max(0, depth),
        }
        try:
            answer = await self._client.post(server, path("v1", "get_missing_events", room.room_id), content=asked)
        except RemoteError as error:
            logger.info("%s does not give the events before %s: %s", server, event.event_id, error)
            return []
        pdus = _pdus(answer, "events")[:MISSING_EVENTS]
        return (await self._screens.screen(pdus, room.version, room_id=room.room_id)).passed

    async def _fetch_auth_chain(self, room: Room, event: Event, server: str) -> None:
        at = path("v1", "event_auth", room.room_id, event.event_id)
        answer = await self._client.get(server, at, timeout_s=STATE_TIMEOUT_S, limit_bytes=STATE_BYTES)
        await self._store(room, _pdus(answer, "auth_chain"))

    async def _fetch_state(self, room: Room, event: Event, server: str) -> None:
        at = path("v1", "state", room.room_id)
        answer = await self._client.get(
            server,
            at,
            query=[("event_id", event.event_id)],
            timeout_s=STATE_TIMEOUT_S,
            limit_bytes=STATE_BYTES,
        )
        await self._store(room, [*_pdus(answer, "auth_chain"), *_pdus(answer, "pdus")])

    async def _fetch_events(self, room: Room, event_ids: Sequence[str], server: str) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def fetch(event_id: str) -> Sequence[Any]:
            async with slots:
                try:
                    answer = await self._client.get(server, path("v1", "event", event_id))
                except RemoteError:
                    return ()
            return _pdus(answer, "pdus")[:1]

        answers = await asyncio.gather(*(fetch(event_id) for event_id in event_ids))
        await self._store(room, [pdu for answer in answers for pdu in answer])

    async def _store(self, room: Room, pdus: Sequence[Any]) -> None:
        screening = await self._screens.screen(pdus, room.version, room_id=room.room_id)
        await self._outliers.store(
            room, [one.event for one in screening.passed], badly_authorised=screening.badly_authorised
        )


def _is_in(stored: StoredEvent, room: Room) -> bool:
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


__all__ = ["GapError", "Gaps", "Needs", "Unreachable"]
