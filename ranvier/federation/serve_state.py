"""A room's state at an event, and what authorises events, for the other servers in the room.

Spec: server-server API, "Retrieving events", "Retrieving event authorisation information". Answers are put together from
stored bytes, in portions, so that a state of a hundred thousand members is never in memory as a whole.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import orjson

from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.participants import Participants, unable
from ranvier.federation.visibility import ServerVisibility, is_told_whole, pruned
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.ids import domain_of
from ranvier.rooms.history import event_not_found
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import known_state
from ranvier.store import event_ids, raw_events
from ranvier.store.events import ACCEPTED, StoredEvent

PORTION: Final = 500
REMEMBERED: Final = 16
"""Answers of `/state_ids` that are kept: all servers ask for the state at the same few events."""


class StateServing:
    """Answers for states. Everything raises 404 for rooms that we never were in, 403 for servers that are not."""

    def __init__(
        self, *, rooms: Rooms, participants: Participants, visibility: ServerVisibility, auth_chains: AuthChains
    ) -> None:
        self._rooms = rooms
        self._participants = participants
        self._visibility = visibility
        self._auth_chains = auth_chains
        self._answers: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        """By room and state."""

    async def state_ids(self, origin: str, room_id: str, event_id: str) -> bytes:
        """The ids of the state before an event and of its auth chain, as JSON. Raises 404 if it is not known."""
        room, stored = await self._at(origin, room_id, event_id)
        place = room.room_nid, stored.state_before or 0
        answer = self._answers.get(place)
        if answer is None:
            state, chain = await self._state_and_chain(room, place[1])
            answer = b'{"pdu_ids":%b,"auth_chain_ids":%b}' % (await self._ids(state), await self._ids(chain))
            self._answers[place] = answer
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return answer

    async def state(self, origin: str, room_id: str, event_id: str) -> AsyncIterator[bytes]:
        """The state before an event, and its auth chain: the pieces of the answer's JSON. Raises as `state_ids`.

        Of a state that history visibility hides, what neither authorises anything nor is in force now comes without its
        content.
        """
        room, stored = await self._at(origin, room_id, event_id)
        state, chain = await self._state_and_chain(room, stored.state_before or 0)
        hidden = not await self._visibility.visible(room, origin, [stored])
        return self._told(room, state, chain, hidden=hidden)

    async def auth_chain(self, origin: str, room_id: str, event_id: str) -> AsyncIterator[bytes]:
        """The auth chain of an event: the pieces of the answer's JSON. Raises 404 for an event that is not known."""
        room = await self._participants.room(room_id, origin, past=True)
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is None or stored.room_nid != room.room_nid:
            raise event_not_found()
        chain = await self._auth_chains.of([stored.event_nid])
        return self._told_chain(sorted(chain))

    async def _at(self, origin: str, room_id: str, event_id: str) -> tuple[Room, StoredEvent]:
        """A room and an event of it, if the server may ask for the state before that.

        A server that we have let in may ask for the state at its join whatever became of both of us since: if we told it
        a part of that only, nobody else may be there who knows the rest.
        """
        try:
            room = await self._participants.room(room_id, origin, past=True)
        except MatrixError:
            departed = await self._rooms.find(room_id)
            stored = None if departed is None else await self._own_join(departed, origin, event_id)
            if departed is None or stored is None:
                raise
            return departed, stored
        return room, await self._placed(room, event_id)

    async def _own_join(self, room: Room, origin: str, event_id: str) -> StoredEvent | None:
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is None or stored.room_nid != room.room_nid or stored.status != ACCEPTED or not stored.state_before:
            return None
        is_own = stored.event.membership == "join" and domain_of(stored.event.sender) == origin
        return stored if is_own and room.room_nid not in self._rooms.partials.left else None

    async def _placed(self, room: Room, event_id: str) -> StoredEvent:
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is None or stored.room_nid != room.room_nid:
            raise event_not_found()
        if stored.state_before is None:
            raise not_found("The state at this event is not known")
        if room.partial is not None and room.partial.is_partial([stored.event_nid]):
            raise unable()
        return stored

    async def _state_and_chain(self, room: Room, state_no: int) -> tuple[list[int], list[int]]:
        state = list((await room.history.load_state(known_state(state_no))).values())
        return state, sorted(await self._auth_chains.of(state))

    async def _ids(self, event_nids: Sequence[int]) -> bytes:
        ids: list[str] = []
        for portion in _portions(event_nids):
            ids += await event_ids.of(self._rooms.db, portion)
        return orjson.dumps(ids)

    async def _told(
        self, room: Room, state: Sequence[int], chain: Sequence[int], *, hidden: bool
    ) -> AsyncIterator[bytes]:
        yield b'{"pdus":['
        first = True
        for portion in _portions(state):
            events = await self._pruned(room, portion) if hidden else await self._raw(portion)
            yield (b"" if first else b",") + b",".join(events)
            first = False
        yield b'],"auth_chain":['
        async for piece in self._pieces(chain):
            yield piece
        yield b"]}"

    async def _told_chain(self, chain: Sequence[int]) -> AsyncIterator[bytes]:
        yield b'{"auth_chain":['
        async for piece in self._pieces(chain):
            yield piece
        yield b"]}"

    async def _pieces(self, event_nids: Sequence[int]) -> AsyncIterator[bytes]:
        first = True
        for portion in _portions(event_nids):
            yield (b"" if first else b",") + b",".join(await self._raw(portion))
            first = False

    async def _raw(self, event_nids: Collection[int]) -> list[bytes]:
        """Events as they are stored, pruned where they have been redacted."""
        raw = await raw_events.json_by_nid(self._rooms.db, event_nids)
        redacted = await self._rooms.cache.get([nid for nid, (_, is_redacted) in raw.items() if is_redacted])
        return [redacted[nid].event.json if nid in redacted else json for nid, (json, _) in raw.items()]

    async def _pruned(self, room: Room, event_nids: Collection[int]) -> list[bytes]:
        found = (await self._rooms.cache.get(event_nids)).values()
        return [stored.event.json if is_told_whole(room, stored.event) else pruned(stored).json for stored in found]


def _portions(nids: Sequence[int]) -> list[Sequence[int]]:
    return [nids[start : start + PORTION] for start in range(0, len(nids), PORTION)]
