"""The full state before a join with partial state, once another server has told it.

Its members wait in a table of their own until the room becomes full. Spec: MSC3902.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial as bound
from itertools import islice
from typing import Final

from ranvier.db.engine import Tx
from ranvier.proto.auth.state import CREATE
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append, Appender
from ranvier.rooms.graph import Graph
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.state.history import known_state
from ranvier.store import partial_state
from ranvier.store.events import REJECTED, StoredEvent
from ranvier.store.rooms import JOIN, MEMBERSHIPS
from ranvier.store.state_keys import MEMBER_KEYS

AT_ONCE: Final = 500
"""How many members are stored in one transaction."""
BREATH: Final = 10_000
"""After so many entries the event loop may do something else."""


class DoubtfulState(Exception):
    """What a server told contradicts what is known; the text says how, for people."""


@dataclass(slots=True)
class ToldState:
    """A state as a server told it: rejected events left out. There may be hundreds of thousands of entries."""

    entries: dict[int, int] = field(default_factory=dict)
    """`key_id -> event_nid`."""
    memberships: dict[int, int] = field(default_factory=dict)
    """`key_id -> membership` of the members."""
    servers: set[str] = field(default_factory=set)
    """The servers of those who are joined."""

    def add(self, stored: StoredEvent) -> None:
        """One of its events."""
        key_id = stored.key_id
        if key_id is None or stored.status == REJECTED:
            return
        self.entries[key_id] = stored.event_nid
        if key_id >= MEMBER_KEYS:
            membership = self.memberships[key_id] = MEMBERSHIPS.get(stored.event.membership or "", 0)
            if membership == JOIN:
                self.servers.add(domain_of(stored.event.state_key or ""))


class FullStates:
    """Checks and stores full states. One a process."""

    def __init__(self, *, rooms: Rooms, appender: Appender, graph: Graph) -> None:
        self._rooms = rooms
        self._appender = appender
        self._graph = graph

    async def check(self, partial: PartialRoom, told: ToldState) -> None:
        """Whether a state goes with the partial one that the join came with. Raises `DoubtfulState`.

        Both come from servers that may lie, or have forgotten a part: where they differ nothing says who is right.
        """
        room = await self._rooms.get(partial.room_id)
        (join,) = (await self._rooms.cache.by_id([partial.join_event_id])).values()
        known = await room.history.load_state(known_state(join.state_before or 0))
        await asyncio.sleep(0)
        differing = sum(told.entries.get(key_id) != nid for key_id, nid in known.items())
        if differing:
            raise DoubtfulState(f"{differing} entries are not those that the join came with")
        further = 0
        key_ids = iter(told.entries)
        while portion := list(islice(key_ids, BREATH)):
            further += sum(key_id < MEMBER_KEYS and key_id not in known for key_id in portion)
            await asyncio.sleep(0)
        if further:
            raise DoubtfulState(f"{further} entries beside members did not come with the join")
        create = await self._rooms.keys.find(self._rooms.db, CREATE)
        if create not in told.entries:
            raise DoubtfulState("there is no create event")
        await asyncio.sleep(0)
        missing = partial.servers - told.servers
        if missing:
            raise DoubtfulState(f"nobody of {len(missing)} servers is joined that are said to be in the room")

    async def save(self, partial: PartialRoom, told: ToldState) -> bool:
        """Keep this as the full state before the join; `False` if nobody is waiting for it any more."""
        rooms = self._rooms
        async with rooms.db.write() as tx:
            await partial_state.delete_members(tx, partial.room_nid)
        memberships = iter(told.memberships.items())
        while portion := list(islice(memberships, AT_ONCE)):
            async with rooms.db.write() as tx:
                rows = [(key_id, told.entries[key_id], membership) for key_id, membership in portion]
                await partial_state.insert_members(tx, partial.room_nid, rows)
        # What the state is to be based on stays what it is, so nobody has to be kept out of the room meanwhile.
        history = (await rooms.get(partial.room_id)).history
        (join,) = (await rooms.cache.by_id([partial.join_event_id])).values()
        changes = await _differences(await history.load_state(known_state(join.state_before or 0)), told.entries)
        prepared = await history.prepare(join.state_before or 0, changes)
        while True:
            room = await rooms.get(partial.room_id)
            async with room.lock:
                if room.partial is not partial:
                    return False
                await room.settled()
                if room.spoilt:
                    continue
                derived = room.history.place(prepared)
                append = Append(room=room, events=[], is_from_elsewhere=True, sends=False, states=[derived.rows])
                members = len(told.memberships)
                append.also.append(bound(_note, partial=partial, state_no=derived.state_no, members=members))
                done = self._appender.submit(append)
            await durable(done)
            partial.full_state_no = derived.state_no
            partial.members = members
            return True


async def _differences(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """What is another entry, or (0) none. Lets others go on in between."""
    changes = dict.fromkeys(before.keys() - after.keys(), 0)
    for number, (key_id, nid) in enumerate(after.items(), 1):
        if before.get(key_id) != nid:
            changes[key_id] = nid
        if not number % BREATH:
            await asyncio.sleep(0)
    return changes


async def _note(tx: Tx, *, partial: PartialRoom, state_no: int, members: int) -> None:
    await partial_state.save_full_state(tx, partial.room_nid, state_no, members)
