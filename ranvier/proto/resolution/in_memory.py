"""Resolving states whose events are all in memory.

For states that are not stored yet, such as those another server has just sent, and for whoever wants the algorithm and
nothing else.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from ranvier.proto.events import Event, StateKey
from ranvier.proto.resolution.auth_graph import Node, drive_walk, walk_between, walk_citing, walk_differing
from ranvier.proto.resolution.requests import (
    Answer,
    Entries,
    FetchAuthDifference,
    FetchConflictedSubgraph,
    FetchEvents,
    FetchUnconflicted,
    Request,
    drive,
)
from ranvier.proto.resolution.resolve import resolve, split
from ranvier.proto.room_versions import RoomVersion


def resolve_in_memory(
    version: RoomVersion,
    states: Sequence[Entries],
    events: Mapping[str, Event],
    *,
    rejected: Collection[str] = (),
) -> dict[StateKey, str]:
    """The resolution of `states` (at least one). `events` has their events with their auth chains.

    `rejected` are the ids of events that were rejected on receipt.
    """
    unconflicted, conflicts = split(states)
    if not any(conflicts):
        return unconflicted
    source = MemorySource(events, unconflicted, rejected)
    return {**unconflicted, **drive(resolve(version, conflicts), source.answer)}


class MemorySource:
    """Answers a resolution's requests from a mapping of events."""

    def __init__(self, events: Mapping[str, Event], unconflicted: Entries, rejected: Collection[str] = ()) -> None:
        self._events = events
        self._unconflicted = unconflicted
        self._rejected = rejected
        self._ids: list[str] = []
        self._nids: dict[str, int] = {}
        self._nodes: dict[int, Node] = {}

    def answer(self, request: Request) -> Answer:
        """The events asked for."""
        match request:
            case FetchEvents(event_ids, accepted_only):
                return self._known(event_ids if not accepted_only else event_ids.difference(self._rejected))
            case FetchUnconflicted(keys):
                return self._known(self._unconflicted[key] for key in keys if key in self._unconflicted)
            case FetchAuthDifference(sets):
                return self._known(self.auth_difference(sets))
            case FetchConflictedSubgraph(event_ids):
                self._number()
                between = drive_walk(walk_between(self._numbers(event_ids)), self._nodes)
                return self._known(self._ids[nid] for nid in between)

    def auth_difference(self, sets: Collection[Collection[str]]) -> set[str]:
        """See `FetchAuthDifference`."""
        self._number()
        found = drive_walk(walk_differing([self._numbers(ids) for ids in sets]), self._nodes)
        common = self._numbers(self._unconflicted.values())
        found -= drive_walk(walk_citing(found, common), self._nodes)
        return {self._ids[nid] for nid in found}

    def _known(self, event_ids: Iterable[str]) -> Answer:
        return {event_id: self._events[event_id] for event_id in event_ids if event_id in self._events}

    def _numbers(self, event_ids: Collection[str]) -> list[int]:
        return [self._nids[event_id] for event_id in event_ids if event_id in self._nids]

    def _number(self) -> None:
        """Number the events so that auth events come first; edges that close a circle are ignored by the walks."""
        if self._ids:
            return
        events, nids = self._events, self._nids
        for first in events:
            stack = [(first, iter(events[first].auth_events))] if first not in nids else []
            open_ids = {first}
            while stack:
                event_id, auths = stack[-1]
                following = next((a for a in auths if a in events and a not in nids and a not in open_ids), None)
                if following is not None:
                    open_ids.add(following)
                    stack.append((following, iter(events[following].auth_events)))
                    continue
                stack.pop()
                nids[event_id] = len(self._ids)
                self._ids.append(event_id)
        common = set(self._unconflicted.values())
        for event_id, nid in nids.items():
            self._nodes[nid] = Node(self._numbers(events[event_id].auth_events), event_id in common)
