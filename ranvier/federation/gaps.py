"""Finding what an event cites and we do not have: the events between, the state where they begin, the auth chain.

Spec: server-server API, "Retrieving events", "Backfilling and retrieving missing events". What is asked for in the name
of one event is bounded, whatever the other servers answer.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.federation.agreed_state import ToldStates
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.fetch_events import EventFetch, GapError, is_in
from ranvier.federation.screening import Screened, Screens
from ranvier.proto.event_order import ancestors_first
from ranvier.proto.events import Event
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

STATES: Final = 10
"""For how many events in the name of one the state is asked for."""
ROUNDS: Final = 12
"""How often one server is asked for the events between, before the state where they begin is asked for."""


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
        self._fetch = self.fetch = EventFetch(rooms=rooms, outliers=outliers, client=client, screens=screens)

    async def needs(self, room: Room, event: Event) -> Needs:
        """What of the events that this one cites is not known, or has no place in the room yet."""
        known = await self._rooms.cache.by_id([*event.auth_events, *event.prev_events])
        here = {event_id: stored for event_id, stored in known.items() if is_in(stored, room)}
        return Needs(
            tuple(event_id for event_id in event.auth_events if event_id not in here),
            tuple(
                event_id
                for event_id in event.prev_events
                if event_id not in here or here[event_id].state_before is None
            ),
        )

    async def take(self, room: Room, one: Screened, servers: Sequence[str], *, is_last: bool = True) -> StoredEvent:
        """Take an event in, together with what it needs, which one of `servers` should have.

        The events between are asked of one server after the other, never of several together: where one knows no further
        it has a state, and who follows it comes to the same. Where they begin, the state is believed that two of `servers`
        tell alike; what one tells, only if it is the only one, or `is_last`. While the room is partially joined no state
        is asked for, which would be all of its members: it is guessed, and put right when the room becomes full.
        Raises `GapError`.
        """
        problem = GapError("there is nobody to ask")
        between: dict[str, tuple[dict[str, Screened], bool]] = {}
        told = ToldStates(self._fetch, room, servers)
        for is_end in (False, True) if is_last else (False,):
            for server in servers:
                if server not in between:
                    between[server] = await self._between(room, one, server)
                found, is_cut = between[server]
                try:
                    return await self._take_with(room, one, found, told, server, is_last=is_end, is_cut=is_cut)
                except GapError as error:
                    problem = error
        raise problem

    async def _take_with(
        self,
        room: Room,
        one: Screened,
        found: Mapping[str, Screened],
        told: ToldStates,
        server: str,
        *,
        is_last: bool,
        is_cut: bool,
    ) -> StoredEvent:
        """The same with the events between that one server has given."""
        events = {event_id: screened.event for event_id, screened in found.items()}
        arrivals: list[Arrival] = []
        taken: list[StoredEvent | None] = []
        ready = set[str]()
        states = 0
        for event in ancestors_first(events, lambda event: event.prev_events):
            needs = await self.needs(room, event)
            needs_auth = not ready.issuperset(needs.auth_events)
            needs_state = not ready.issuperset(needs.prev_events) and room.partial is None
            if arrivals and (needs_auth or needs_state):
                taken += await self._accepting.accept(room.room_id, arrivals)
                arrivals = []
            if needs_auth:
                await self._auth_chain(room, event, [server, *told.servers])
            state = None
            if needs_state:
                states += 1
                if states > STATES:
                    raise GapError(f"the history before {one.event.event_id} is scattered")
                state = await told.agreed(event, is_last=is_last, is_cut=is_cut)
            ready.add(event.event_id)
            signed = found[event.event_id].authoriser_signed
            guesses = room.partial is not None
            arrivals.append(Arrival(event=event, authoriser_signed=signed, state=state, guesses_state=guesses))
        taken += await self._accepting.accept(room.room_id, arrivals)
        for stored in taken:
            if stored is not None and stored.event.event_id == one.event.event_id:
                return stored
        raise GapError(f"auth events of {one.event.event_id} are missing")

    async def take_history(self, room: Room, found: Sequence[Screened], server: str, *, below: int) -> int:
        """Take in old events, which `server` has told, below the event at this position; how many have come.

        What has been deleted here is left out. Where they begin the state is asked for. Raises `GapError`,
        `Unreachable` or `RemoteError`.
        """
        wanted = [screened for screened in found if not self._rooms.purged.holds(room, screened.event)]
        by_id = {screened.event.event_id: screened for screened in wanted}
        events = {event_id: screened.event for event_id, screened in by_id.items()}
        known = await self._fetch.known(room, {cited for event in events.values() for cited in event.prev_events})
        placed = {event_id for event_id, stored in known.items() if stored.state_before is not None}
        arrivals = []
        states = 0
        for event in ancestors_first(events, lambda event: event.prev_events):
            if (await self.needs(room, event)).auth_events:
                await self._fetch.auth_chain(room, event, server)
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
        came = sum(stored is not None for stored in taken)
        if came < len(taken) and any(arrival.guesses_state for arrival in arrivals) and room.partial is None:
            # The room has become full meanwhile, in which no state is guessed: this time it is asked for.
            return came + await self.take_history(room, found, server, below=below)
        return came

    def is_purged(self, room: Room, found: Sequence[Screened]) -> bool:
        """Whether all of these events belong to what has been deleted here."""
        return bool(found) and all(self._rooms.purged.holds(room, one.event) for one in found)

    async def agreed_before(
        self, room: Room, event: Event, servers: Sequence[str], *, is_last: bool
    ) -> list[StoredEvent]:
        """The state before an event as two servers tell it, one if it `is_last`. Raises `GapError`."""
        # There are more events before those that a partially joined room begins with, and nobody keeps them back.
        return await ToldStates(self._fetch, room, servers).agreed(event, is_last=is_last, is_cut=True)

    async def state_before(self, room: Room, event: Event, server: str) -> list[StoredEvent]:
        """The state before an event as `server` tells it, all of its events known. Raises as `take_history`."""
        ids = await self._fetch.state_ids(room, event, server)
        return await self._fetch.state(room, event, ids, server)

    async def agreed_state(
        self, room: Room, event: Event, servers: Sequence[str], *, is_last: bool
    ) -> list[StoredEvent]:
        """The state before an event as two of these servers tell it alike; see `ToldStates`. Raises `GapError`."""
        # There are more events before those that a partially joined room begins with, and nobody keeps them back.
        return await ToldStates(self._fetch, room, servers).agreed(event, is_last=is_last, is_cut=True)

    async def _between(self, room: Room, one: Screened, server: str) -> tuple[dict[str, Screened], bool]:
        """The event, and those before it that are not in the room's graph, as far as the server gives them.

        Also whether there would have been more.
        """
        found = {one.event.event_id: one}
        for _ in range(ROUNDS):
            lacking = await self._lacking(room, found)
            if not lacking:
                return found, False
            try:
                fresh = await self._fresh(room, found, await self._fetch.before(room, lacking, server))
            except (GapError, RemoteError, Unreachable) as error:
                logger.info("%s does not give the events before %s: %s", server, one.event.event_id, error)
                return found, False
            if not fresh:
                return found, False
            found |= fresh
        return found, True

    async def _fresh(self, room: Room, found: Mapping[str, Screened], told: Sequence[Screened]) -> dict[str, Screened]:
        """Those of the events told that come before the ones found, and are not in the room's graph."""
        by_id = {screened.event.event_id: screened for screened in told if screened.event.event_id not in found}
        by_id = {key: one for key, one in by_id.items() if not self._rooms.purged.holds(room, one.event)}
        placed = {
            key for key, stored in (await self._fetch.known(room, by_id)).items() if stored.state_before is not None
        }
        fresh: dict[str, Screened] = {}
        cited = [event_id for screened in found.values() for event_id in screened.event.prev_events]
        while cited:
            event_id = cited.pop()
            if event_id in by_id and event_id not in fresh and event_id not in placed:
                fresh[event_id] = by_id[event_id]
                cited += by_id[event_id].event.prev_events
        return fresh

    async def _lacking(self, room: Room, found: Mapping[str, Screened]) -> list[str]:
        """The ids of those of these events that cite what is neither among them nor in the room's graph."""
        cited = {event_id for screened in found.values() for event_id in screened.event.prev_events} - found.keys()
        known = await self._fetch.known(room, cited)
        missing = {event_id for event_id in cited if event_id not in known or known[event_id].state_before is None}
        return [event_id for event_id, one in found.items() if not missing.isdisjoint(one.event.prev_events)]

    async def _auth_chain(self, room: Room, event: Event, servers: Sequence[str]) -> None:
        """What authorises an event, from whoever gives it. Raises `GapError`."""
        for server in dict.fromkeys(servers):
            try:
                await self._fetch.auth_chain(room, event, server)
            except (GapError, RemoteError, Unreachable) as error:
                logger.info("%s does not give the auth chain of %s: %s", server, event.event_id, error)
            if not (await self.needs(room, event)).auth_events:
                return
        raise GapError(f"nobody gives the auth events of {event.event_id}")


__all__ = ["GapError", "Gaps", "Needs", "Unreachable"]
