"""The state of a room where branches of its history meet, from the states of the branches.

Spec: server-server API, "Room State Resolution". The algorithms are `proto.resolution`; here are their events, taken from
the store, and only those that the states do not agree on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from ranvier.db.engine import Reader
from ranvier.proto.auth.state import JOIN_RULES, POWER_LEVELS
from ranvier.proto.events import StateKey
from ranvier.proto.resolution.auth_graph import Node, Walk, walk_between, walk_citing, walk_differing
from ranvier.proto.resolution.requests import (
    Answer,
    FetchAuthDifference,
    FetchConflictedSubgraph,
    FetchEvents,
    FetchUnconflicted,
    Request,
)
from ranvier.proto.resolution.resolve import resolve
from ranvier.proto.room_versions import RoomVersion
from ranvier.state.history import RoomHistory, StateRows, known_state
from ranvier.store import auth_graph
from ranvier.store.event_cache import EventCache
from ranvier.store.events import REJECTED, StoredEvent
from ranvier.store.state_keys import StateKeys

Unstored = Mapping[int, tuple[StoredEvent, Sequence[int]]]
"""Events that the store does not have yet, by number, with the numbers of their auth events."""

NOTHING_UNSTORED: Final[Unstored] = MappingProxyType({})

REMEMBERED: Final = 64
"""How many resolutions a room remembers."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The resolution of some states."""

    state_no: int
    rows: StateRows | None
    """What has to be stored with the first event that uses `state_no`; `None` if it is the number of a known state."""


class Resolver:
    """Resolves states of one room; used by the room's writer, one call at a time."""

    def __init__(
        self, *, db: Reader, keys: StateKeys, cache: EventCache, version: RoomVersion, history: RoomHistory
    ) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._version = version
        self._history = history
        self._known: OrderedDict[frozenset[int], int] = OrderedDict()

    async def resolve(self, state_nos: Collection[int], unstored: Unstored = NOTHING_UNSTORED) -> Resolved:
        """The resolution of these states (at least one), which may hold events that are `unstored`.

        States that turn out equal to one of `state_nos` take its number. A new state is derived from the one that it
        differs least from; call `remember` once its rows are on their way to the store.
        """
        wanted = frozenset(state_nos)
        if len(wanted) == 1:
            return Resolved(next(iter(wanted)), None)
        known = self._known.get(wanted)
        if known is not None:
            self._known.move_to_end(wanted)
            return Resolved(known, None)
        conflict = await self._conflict(sorted(wanted))
        entries = await self._resolve(conflict, unstored)
        base_no, changes = _smallest_change(conflict, entries)
        if not changes:
            self._remember(wanted, base_no)
            return Resolved(base_no, None)
        derived = await self._history.derive(base_no, changes)
        return Resolved(derived.state_no, derived.rows)

    def remember(self, state_nos: Collection[int], resolved: Resolved) -> None:
        """`resolved`, the resolution of `state_nos`, is being stored."""
        self._remember(frozenset(state_nos), resolved.state_no)

    def _remember(self, wanted: frozenset[int], state_no: int) -> None:
        self._known[wanted] = state_no
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _conflict(self, state_nos: Sequence[int]) -> "_Conflict":
        """What the states do not agree on. One difference a state."""
        first, *others = state_nos
        differences = [await self._history.difference(first, other) for other in others]
        of_first: dict[int, int] = {}
        for difference in differences:
            of_first.update((key_id, pair[0]) for key_id, pair in difference.items())
        values = {first: of_first}
        for other, difference in zip(others, differences, strict=True):
            values[other] = {
                key_id: difference[key_id][1] if key_id in difference else nid for key_id, nid in of_first.items()
            }
        return _Conflict(values)

    async def _resolve(self, conflict: "_Conflict", unstored: Unstored) -> dict[int, int]:
        """The resolved entries by numbers, beside those that all states agree on."""
        if not conflict.key_ids:
            return {}
        source = _Source(self._db, self._keys, self._cache, self._history, conflict, unstored)
        keys = await self._keys.keys(self._db, conflict.key_ids)
        events = await source.by_nid(nid for entries in conflict.values.values() for nid in entries.values() if nid)
        resolution = resolve(
            self._version,
            [
                {keys[key_id]: events[nid].event.event_id for key_id, nid in entries.items() if nid in events}
                for entries in conflict.values.values()
            ],
        )
        try:
            request = next(resolution)
            while True:
                request = resolution.send(await source.answer(request))
        except StopIteration as done:
            resolved: dict[StateKey, str] = done.value
            return source.numbers(resolved.values())


@dataclass(frozen=True, slots=True)
class _Conflict:
    """The entries that states do not agree on: by state, `key_id -> event_nid`, 0 where it has none."""

    values: Mapping[int, Mapping[int, int]]

    @property
    def key_ids(self) -> Collection[int]:
        return next(iter(self.values.values())).keys()

    @property
    def any_state(self) -> int:
        """A state to look up unconflicted entries in."""
        return next(iter(self.values))


class _Source:
    """Answers the requests of one resolution."""

    def __init__(
        self,
        db: Reader,
        keys: StateKeys,
        cache: EventCache,
        history: RoomHistory,
        conflict: _Conflict,
        unstored: Unstored,
    ) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._history = history
        self._conflict = conflict
        self._unstored = unstored
        self._events: dict[str, StoredEvent] = {stored.event.event_id: stored for stored, _ in unstored.values()}
        """Every event met so far: a resolution asks for the same ones again and again."""

    async def answer(self, request: Request) -> Answer:
        match request:
            case FetchEvents(event_ids, accepted_only):
                await self._meet(event_ids)
                found = (self._events[event_id] for event_id in event_ids if event_id in self._events)
                return _answer(stored for stored in found if not (accepted_only and stored.status == REJECTED))
            case FetchUnconflicted(keys):
                key_ids = [await self._keys.find(self._db, key) for key in keys]
                return _answer((await self.by_nid((await self._unconflicted(key_ids)).values())).values())
            case FetchAuthDifference(sets):
                return _answer((await self.by_nid(await self._auth_difference(sets))).values())
            case FetchConflictedSubgraph(event_ids):
                await self._meet(event_ids)
                ends = self._nids(event_ids)
                return _answer((await self.by_nid(await self._walk(walk_between(ends)))).values())

    async def by_nid(self, nids: Iterable[int]) -> dict[int, StoredEvent]:
        """Events by number, remembered."""
        wanted = set(nids)
        found = {nid: self._unstored[nid][0] for nid in wanted if nid in self._unstored}
        found |= await self._cache.get(wanted - found.keys())
        self._events.update((stored.event.event_id, stored) for stored in found.values())
        return found

    def numbers(self, event_ids: Iterable[str]) -> dict[int, int]:
        """`key_id -> event_nid` of state events met before."""
        met = [self._events[event_id] for event_id in event_ids]
        return {stored.key_id: stored.event_nid for stored in met if stored.key_id is not None}

    async def _meet(self, event_ids: Collection[str]) -> None:
        missing = [event_id for event_id in event_ids if event_id not in self._events]
        if missing:
            self._events.update(await self._cache.by_id(missing))

    def _nids(self, event_ids: Collection[str]) -> set[int]:
        return {self._events[event_id].event_nid for event_id in event_ids if event_id in self._events}

    async def _unconflicted(self, key_ids: Iterable[int | None]) -> dict[int, int]:
        wanted = {key_id for key_id in key_ids if key_id is not None}.difference(self._conflict.key_ids)
        return await self._history.get(self._conflict.any_state, wanted) if wanted else {}

    async def _auth_difference(self, sets: Sequence[Collection[str]]) -> set[int]:
        for event_ids in sets:
            await self._meet(event_ids)
        nids = [self._nids(event_ids) for event_ids in sets]
        hints = await self._unconflicted([await self._keys.find(self._db, key) for key in (POWER_LEVELS, JOIN_RULES)])
        found = await self._walk(walk_differing(nids, hints.values()))
        # Events in conflict are tried in any case; the others must not stand behind what all states agree on.
        doubtful = found.difference(*nids)
        if doubtful:
            entries = await self._history.load_state(known_state(self._conflict.any_state))
            common = [nid for key_id, nid in entries.items() if key_id not in self._conflict.key_ids]
            found -= await self._walk(walk_citing(doubtful, common))
        return found

    async def _walk(self, walk: Walk[T]) -> T:
        """Run a walk. One statement a batch; the event loop runs on in between."""
        try:
            wanted = next(walk)
            while True:
                wanted = walk.send(await self._nodes(wanted))
                await asyncio.sleep(0)
        except StopIteration as done:
            result: T = done.value
            return result

    async def _nodes(self, nids: Collection[int]) -> dict[int, Node]:
        rows = [
            (nid, self._unstored[nid][0].key_id, list(self._unstored[nid][1])) for nid in nids if nid in self._unstored
        ]
        rows += await auth_graph.edges(self._db, [nid for nid in nids if nid not in self._unstored])
        entries = await self._unconflicted(key_id for _, key_id, _ in rows)
        return {nid: Node(auth, key_id is not None and entries.get(key_id) == nid) for nid, key_id, auth in rows}


def _answer(found: Iterable[StoredEvent]) -> Answer:
    return {stored.event.event_id: stored.event for stored in found}


def _smallest_change(conflict: _Conflict, entries: Mapping[int, int]) -> tuple[int, dict[int, int]]:
    """The state that differs least from the resolved one, and how: `key_id -> event_nid`, 0 for what it loses."""
    key_ids = {*conflict.key_ids, *entries}
    best: tuple[int, dict[int, int]] | None = None
    for state_no, values in conflict.values.items():
        changes = {
            key_id: entries.get(key_id, 0) for key_id in key_ids if values.get(key_id, 0) != entries.get(key_id, 0)
        }
        if best is None or len(changes) < len(best[1]):
            best = state_no, changes
    assert best is not None
    return best
