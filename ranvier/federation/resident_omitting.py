"""The state before a join without its members, for servers that will ask for them later.

Spec: server-server API, `omit_members` of `/send_join` (MSC3706, MSC3943). What all who join a room are told alike is kept
as bytes until the state without members is another one, or something in it is redacted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.resident_state import ToldEvents, told_json
from ranvier.proto.events import StateKey
from ranvier.proto.redaction import redact_event
from ranvier.rooms.append import Append
from ranvier.rooms.full_room import known_members
from ranvier.rooms.heroes import HEROES, names_room
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import known_state
from ranvier.store import rooms as store
from ranvier.store.events import StoredEvent
from ranvier.store.state_keys import MEMBER_KEYS

ROOMS: Final = 500
SIZE_BYTES: Final = 64 << 20
"""What is kept of all rooms together; the auth events of the largest rooms are some megabytes."""
_NAMING: Final[Sequence[StateKey]] = (("m.room.name", ""), ("m.room.canonical_alias", ""))

ServersAt = Callable[[Room, int], Awaitable[Iterable[str]]]
"""The servers in a room when its state had this number."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Kept:
    """What is the same for all who join."""

    standing: frozenset[int]
    """The state without members."""
    closed: frozenset[int]
    """That, and all that authorises it."""
    is_named: bool
    state: bytes
    """JSON, without brackets."""
    chain: Mapping[int, bytes]
    """What authorises the state and is not in it."""
    heroes: tuple[StoredEvent, ...] = field(default=())
    """Those that were told last."""

    @property
    def size(self) -> int:
        return len(self.state) + sum(len(json) + 200 for json in self.chain.values()) + 64 * len(self.closed)


class StateWithoutMembers:
    """Tells states. `on_commit` has to be a listener of the appender."""

    def __init__(self, *, rooms: Rooms, auth_chains: AuthChains, servers_at: ServersAt) -> None:
        self._rooms = rooms
        self._auth_chains = auth_chains
        self._servers_at = servers_at
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._size = 0
        self._gathering = asyncio.Lock()
        self._redactions = 0

    async def of(self, room: Room, join: StoredEvent) -> ToldEvents:
        """The state before a join without members, the auth chains of that and of the join, and the servers before it.

        No event is there twice. In a room without a name the heroes are there too. If no member is left out the servers
        are. No statement for a room that has been told before and has a name, unless the user was in it; one for heroes.
        """
        state_no = join.state_before or 0
        kept = await self._common(room, state_no)
        heroes = () if kept.is_named else await self._heroes(room, join, state_no, kept)
        own = await self._own_chain(join, heroes, kept)
        omits = await self._omits(room, state_no, heroes)
        servers = orjson.dumps(sorted(await self._servers_at(room, state_no))) if omits else None
        in_state = {hero.event_nid for hero in heroes}
        chain = [json for nid, json in kept.chain.items() if nid not in in_state]
        return ToldEvents(
            state=[kept.state, *map(_told, heroes)], auth_chain=[*chain, *map(_told, own)], servers=servers
        )

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender: what is redacted is not told any more."""
        for append in batch:
            if append.redactions:
                self._redactions += 1
                self._forget(append.room.room_nid)

    async def _common(self, room: Room, state_no: int) -> _Kept:
        entries = await room.history.load_non_members(state_no)
        standing = frozenset(entries.values())
        kept = self._kept.get(room.room_nid)
        if kept is not None and kept.standing == standing:
            self._kept.move_to_end(room.room_nid)
            return kept
        # Many may come at once when a room becomes known.
        async with self._gathering:
            kept = self._kept.get(room.room_nid)
            if kept is None or kept.standing != standing:
                redactions = self._redactions
                kept = await self._gather(entries, standing)
                if redactions == self._redactions:
                    self._keep(room.room_nid, kept)
            return kept

    async def _gather(self, entries: Mapping[int, int], standing: frozenset[int]) -> _Kept:
        rooms = self._rooms
        chain = await self._auth_chains.of(standing) - standing
        json = await told_json(rooms, standing | chain)
        naming = [entries.get(await rooms.keys.find(rooms.db, key) or 0, 0) for key in _NAMING]
        named = await rooms.cache.get([nid for nid in naming if nid])
        return _Kept(
            standing=standing,
            closed=standing | chain,
            is_named=names_room({stored.event.key: stored for stored in named.values() if stored.event.key}),
            state=b",".join(json[nid] for nid in sorted(standing)),
            chain={nid: json[nid] for nid in sorted(chain)},
        )

    def _keep(self, room_nid: int, kept: _Kept) -> None:
        self._forget(room_nid)
        self._kept[room_nid] = kept
        self._size += kept.size
        while self._size > SIZE_BYTES or len(self._kept) > ROOMS:
            self._size -= self._kept.popitem(last=False)[1].size

    def _forget(self, room_nid: int) -> None:
        kept = self._kept.pop(room_nid, None)
        if kept is not None:
            self._size -= kept.size

    async def _heroes(self, room: Room, join: StoredEvent, state_no: int, kept: _Kept) -> Sequence[StoredEvent]:
        """The first of those who were in the room before the join, or invited; never who joins."""
        known = await self._standing(room, state_no, kept.heroes, join)
        if len(known) == HEROES:
            return known
        rows = await store.first_members(self._rooms.db, [known_members(room.room_nid)], HEROES + 1)
        first = await self._rooms.cache.from_rows(rows)
        kept.heroes = tuple((await self._standing(room, state_no, first, join))[:HEROES])
        return kept.heroes

    async def _standing(
        self, room: Room, state_no: int, members: Sequence[StoredEvent], join: StoredEvent
    ) -> list[StoredEvent]:
        others = [member for member in members if member.key_id != join.key_id]
        standing = await room.history.get(state_no, [member.key_id or 0 for member in others])
        return [member for member in others if standing.get(member.key_id or 0) == member.event_nid]

    async def _own_chain(self, join: StoredEvent, heroes: Sequence[StoredEvent], kept: _Kept) -> list[StoredEvent]:
        """What authorises the join and the heroes, save what is told already."""
        cited = await self._rooms.cache.by_id(join.event.auth_events)
        starts = {stored.event_nid for stored in cited.values()}
        told = {hero.event_nid for hero in heroes}
        chain = await self._auth_chains.of(starts | told, but=kept.closed)
        own = await self._rooms.cache.get((chain | starts) - kept.closed - told)
        return [own[nid] for nid in sorted(own)]

    async def _omits(self, room: Room, state_no: int, heroes: Sequence[StoredEvent]) -> bool:
        if room.joined_members + room.invited_members > HEROES + 1 or not heroes:
            return True
        state = await room.history.load_state(known_state(state_no))
        return sum(key_id >= MEMBER_KEYS for key_id in state) > len(heroes)


def _told(stored: StoredEvent) -> bytes:
    return stored.event.json if stored.redacted_by is None else redact_event(stored.event).json
