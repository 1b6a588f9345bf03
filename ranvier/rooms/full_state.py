"""The full state before a join with partial state, once another server has told it.

Its members wait in a table of their own until the room becomes full. Spec: MSC3902.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial as bound
from typing import Final

from ranvier.db.engine import Tx
from ranvier.proto.auth.state import CREATE
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append, Appender
from ranvier.rooms.arrive import members_of
from ranvier.rooms.graph import Graph
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.store import partial_state
from ranvier.store.events import REJECTED, StoredEvent
from ranvier.store.state_keys import MEMBER_KEYS

AT_ONCE: Final = 500
"""How many members are stored in one transaction."""


class DoubtfulState(Exception):
    """What a server told contradicts what is known; the text says how, for people."""


@dataclass(frozen=True, slots=True)
class ToldState:
    """A state as a server told it: rejected events left out."""

    entries: Mapping[int, int]
    """`key_id -> event_nid`."""
    members: Sequence[tuple[int, int, int]]
    """`(key_id, event_nid, membership)`."""
    servers: frozenset[str]
    """The servers of those who are joined."""


def told_state(events: Sequence[StoredEvent]) -> ToldState:
    """The state that consists of these events."""
    standing = [stored for stored in events if stored.key_id is not None and stored.status != REJECTED]
    return ToldState(
        {stored.key_id: stored.event_nid for stored in standing if stored.key_id is not None},
        members_of(standing),
        frozenset(domain_of(stored.event.state_key or "") for stored in standing if stored.event.membership == "join"),
    )


def whole_state(parts: Sequence[ToldState]) -> ToldState:
    """The state that these are parts of."""
    return ToldState(
        {key_id: event_nid for part in parts for key_id, event_nid in part.entries.items()},
        [member for part in parts for member in part.members],
        frozenset[str]().union(*(part.servers for part in parts)),
    )


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
        known = await room.history.load_state(join.state_before or 0)
        differing = sum(told.entries.get(key_id) != nid for key_id, nid in known.items())
        if differing:
            raise DoubtfulState(f"{differing} entries are not those that the join came with")
        further = sum(key_id < MEMBER_KEYS and key_id not in known for key_id in told.entries)
        if further:
            raise DoubtfulState(f"{further} entries beside members did not come with the join")
        create = await self._rooms.keys.find(self._rooms.db, CREATE)
        if create not in told.entries:
            raise DoubtfulState("there is no create event")
        missing = partial.servers - told.servers
        if missing:
            raise DoubtfulState(f"nobody of {len(missing)} servers is joined that are said to be in the room")

    async def save(self, partial: PartialRoom, told: ToldState) -> bool:
        """Keep this as the full state before the join; `False` if nobody is waiting for it any more."""
        rooms = self._rooms
        async with rooms.db.write() as tx:
            await partial_state.delete_members(tx, partial.room_nid)
        for start in range(0, len(told.members), AT_ONCE):
            async with rooms.db.write() as tx:
                await partial_state.insert_members(tx, partial.room_nid, told.members[start : start + AT_ONCE])
        while True:
            room = await rooms.get(partial.room_id)
            async with room.lock:
                if room.partial is not partial:
                    return False
                if room.spoilt:
                    continue
                await room.settled()
                (join,) = (await rooms.cache.by_id([partial.join_event_id])).values()
                before = await room.history.load_state(join.state_before or 0)
                changes = {key_id: nid for key_id, nid in told.entries.items() if before.get(key_id) != nid}
                changes |= dict.fromkeys(before.keys() - told.entries.keys(), 0)
                derived = await room.history.derive(join.state_before or 0, changes)
                append = Append(room=room, events=[], is_from_elsewhere=True, sends=False, states=[derived.rows])
                append.also.append(bound(_note, partial=partial, state_no=derived.state_no, members=len(told.members)))
                done = self._appender.submit(append)
            await durable(done)
            partial.full_state_no = derived.state_no
            partial.members = len(told.members)
            return True


async def _note(tx: Tx, *, partial: PartialRoom, state_no: int, members: int) -> None:
    await partial_state.save_full_state(tx, partial.room_nid, state_no, members)
