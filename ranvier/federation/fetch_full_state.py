"""Asking one server for the full state before a join with partial state.

Spec: server-server API, `/state`, `/state_ids`; MSC3902. Of a great room hardly anything is known when it is joined: then
all of it is asked for at once, in one request. Later only what is missing.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from ranvier.federation.fetch_events import EventFetch, GapError
from ranvier.federation.further_keys import FurtherKeys
from ranvier.proto.events import Event
from ranvier.rooms.full_state import ToldState
from ranvier.rooms.room import Room


class FullStateFetch:
    """Asks. Raises what `EventFetch` does."""

    def __init__(self, *, fetch: EventFetch, further_keys: FurtherKeys) -> None:
        self._fetch = fetch
        self._further_keys = further_keys

    async def at_once(
        self,
        room: Room,
        join: Event,
        server: str,
        *,
        others: Sequence[str],
        all_known: AbstractSet[str] | None,
        without_refused: bool,
    ) -> ToldState:
        """The state before the join as this server tells it; all of its events are stored.

        `without_refused`: those that it gives, but whose signatures do not prove them, are left out. There are such ones
        in every large room: keys are gone with the servers that signed with them. `others` are servers that
        may know these keys. `all_known` as in `OutlierIntake`.
        """
        streamed = await self._fetch.stream_state(room, join, server, all_known=all_known)
        if streamed.unproven:
            unproven = list(streamed.unproven.values())
            await streamed.take_proven(await self._further_keys.proven(unproven, [server, *others]))
        told = streamed.intake.told
        absent = 0
        async for portion, known in self._fetch.in_portions(room, list(streamed.intake.unread)):
            absent += len(portion) - len(known)
            for stored in known.values():
                told.add(stored)
        refused = 0 if without_refused else len(streamed.refused_state) + streamed.malformed
        _check(absent + refused, join, server)
        return told

    async def what_is_missing(self, room: Room, join: Event, server: str, *, without_refused: bool) -> ToldState:
        """The same, where much is known already."""
        ids = await self._fetch.state_ids(room, join, server)
        missing = await self._fetch.missing(room, ids.listed)
        refused = await self._fetch.fetch_missing(room, join, ids, missing, server) if missing else ()
        told = ToldState()
        absent = 0
        async for portion, known in self._fetch.in_portions(room, ids.listed[: ids.state_count]):
            absent += sum(one not in known and not (without_refused and one in refused) for one in portion)
            for stored in known.values():
                told.add(stored)
        _check(absent, join, server)
        return told


def _check(absent: int, join: Event, server: str) -> None:
    if absent:
        raise GapError(f"{server} did not give {absent} events of the state before {join.event_id}")
