"""A room's state at some point: full, or only as much of it as is known.

Two types and no flag: `Partial` has no method that lists members or the whole state, so that whoever needs them has to
say what happens while a room is partially joined. A full state never becomes partial again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ranvier.db.engine import Reader
from ranvier.proto.events import StateKey
from ranvier.state.history import RoomHistory, WholeState
from ranvier.store.event_cache import EventCache
from ranvier.store.events import StoredEvent
from ranvier.store.state_keys import MEMBER_KEYS, StateKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Where states are looked up, and what `key_id`s mean."""

    db: Reader
    keys: StateKeys
    cache: EventCache
    history: RoomHistory

    async def entries(self, state_no: int, keys: Iterable[StateKey]) -> dict[StateKey, StoredEvent]:
        """These entries of a state, those that it has."""
        key_ids = [await self.keys.find(self.db, key) for key in keys]
        found = await self.history.get(state_no, [key_id for key_id in key_ids if key_id is not None])
        return await self.events(found.values())

    async def events(self, nids: Collection[int]) -> dict[StateKey, StoredEvent]:
        """State events by what they set."""
        found = await self.cache.get(list(nids))
        return {stored.event.key: stored for stored in found.values() if stored.event.key is not None}


@dataclass(frozen=True, slots=True)
class Full:
    """A state of which everything is known."""

    lookup: Lookup
    state_no: int

    async def get(self, key: StateKey) -> StoredEvent | None:
        """One entry, `None` if the state has none."""
        return (await self.entries([key])).get(key)

    async def entries(self, keys: Iterable[StateKey]) -> dict[StateKey, StoredEvent]:
        """These entries, those that the state has."""
        return await self.lookup.entries(self.state_no, keys)

    async def non_members(self) -> Mapping[StateKey, StoredEvent]:
        """Everything but members."""
        return await self.lookup.events((await self.lookup.history.load_non_members(self.state_no)).values())

    async def members(self) -> Mapping[StateKey, StoredEvent]:
        """Every member event."""
        entries = await self.lookup.history.load_state(WholeState(self.state_no))
        return await self.lookup.events([nid for key_id, nid in entries.items() if key_id >= MEMBER_KEYS])

    async def everything(self) -> Mapping[StateKey, StoredEvent]:
        """Every entry."""
        return await self.lookup.events((await self.lookup.history.load_state(WholeState(self.state_no))).values())


@dataclass(frozen=True, slots=True)
class Partial:
    """A state of which not every member is known (a room that is being joined with partial state)."""

    lookup: Lookup
    state_no: int

    async def get(self, key: StateKey) -> StoredEvent | None:
        """One entry; `None` for a member means that nothing is known of them."""
        return (await self.entries([key])).get(key)

    async def entries(self, keys: Iterable[StateKey]) -> dict[StateKey, StoredEvent]:
        """These entries, those that are known."""
        return await self.lookup.entries(self.state_no, keys)

    async def non_members(self) -> Mapping[StateKey, StoredEvent]:
        """Everything but members: all of it is known."""
        return await self.lookup.events((await self.lookup.history.load_non_members(self.state_no)).values())


RoomState = Full | Partial
