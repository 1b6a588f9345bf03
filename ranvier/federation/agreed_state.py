"""The state before an event whose predecessors cannot be had: whom to believe.

Spec: server-server API, "Retrieving events"; it only says that another server is asked. But whoever makes an event and
keeps back what comes before it can tell each server another state, and the room would part for good. So it is believed
what two servers tell alike. If in the end there are no two, a server that has the event from elsewhere is believed before
the one that made it: whoever takes it in first thereby decides for the others. The one that made it is not believed alone
if it keeps something back that others in the room have never heard of.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.fetch_events import EventFetch, GapError, StateIds
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.rooms.room import Room
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

ALIKE: Final = 2
"""So many servers have to tell the same."""
ALONE: Final = "Believing %s alone what the state before %s is"


@dataclass(slots=True)
class ToldStates:
    """What these servers tell of states in one room. Each is asked once for each."""

    fetch: EventFetch
    room: Room
    servers: Sequence[str]
    _told: dict[tuple[str, str], StateIds | Exception] = field(default_factory=dict)
    """By event and server; the error of one that tells nothing."""

    async def agreed(self, event: Event, *, is_last: bool, is_cut: bool) -> list[StoredEvent]:
        """The state before the event, all of its events known. A single server is believed.

        `is_last`: it will not be asked again, and what one server tells must do. `is_cut`: there may be more events
        before this one, which we have not asked for. Raises `GapError`.
        """
        maker = domain_of(event.sender)
        told: dict[StateIds, list[str]] = {}
        is_unheard_of = False
        for server in self.servers:
            ids = await self._ask(event, server)
            if isinstance(ids, Exception):
                is_unheard_of |= server != maker and isinstance(ids, RemoteError) and ids.status < 500
                continue
            tellers = told.setdefault(_key(told, ids), [])
            tellers.append(server)
            if len(tellers) >= min(ALIKE, len(self.servers)):
                if len(tellers) == 1:
                    logger.warning(ALONE, server, event.event_id)
                return await _complete(self.fetch, self.room, event, ids, tellers)
        if not is_last:
            raise GapError(f"no {ALIKE} servers tell the same state before {event.event_id}")
        for ids, tellers in sorted(told.items(), key=lambda item: (item[1] == [maker], -len(item[1]))):
            if tellers == [maker] and is_unheard_of and not is_cut:
                continue
            try:
                state = await _complete(self.fetch, self.room, event, ids, tellers)
            except GapError:
                continue
            logger.warning(ALONE, tellers[0], event.event_id)
            return state
        raise GapError(f"nobody tells the state before {event.event_id} who can be believed")

    async def _ask(self, event: Event, server: str) -> StateIds | Exception:
        key = event.event_id, server
        if key not in self._told:
            try:
                self._told[key] = await self.fetch.state_ids(self.room, event, server)
            except (GapError, RemoteError, Unreachable) as error:
                logger.info("%s does not tell the state before %s: %s", server, event.event_id, error)
                self._told[key] = error
        return self._told[key]


def _key(told: dict[StateIds, list[str]], ids: StateIds) -> StateIds:
    """The same state told before; what it stands on does not matter."""
    return next((known for known in told if known.state == ids.state), ids)


async def _complete(
    fetch: EventFetch, room: Room, event: Event, ids: StateIds, servers: Sequence[str]
) -> list[StoredEvent]:
    """The events of the state, from whoever gives them."""
    for server in servers:
        try:
            return await fetch.state(room, event, ids, server)
        except (GapError, RemoteError, Unreachable) as error:
            logger.info("%s does not give the state before %s: %s", server, event.event_id, error)
    raise GapError(f"nobody gives the state before {event.event_id}")
