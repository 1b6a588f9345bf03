"""The two orders in which conflicting events are tried.

Spec: room version 2, "State resolution", definitions "reverse topological power ordering" and "mainline ordering".
"""

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush

from ranvier.proto.events import Event


def by_power(events: Mapping[str, Event], level: Callable[[Event], int]) -> list[Event]:
    """The reverse topological power ordering: every event after its auth events, else the most powerful sender first.

    `level` is the power level of an event's sender according to its auth events. Events that cite each other in a circle
    have no order and are left out.
    """
    waits_for: dict[str, int] = {}
    cited_by: dict[str, list[Event]] = {}
    ready: list[tuple[int, int, str]] = []
    for event in events.values():
        cited = {auth for auth in event.auth_events if auth in events}
        waits_for[event.event_id] = len(cited)
        for auth in cited:
            cited_by.setdefault(auth, []).append(event)
        if not cited:
            ready.append(_rank(event, level))
    heapify(ready)
    ordered = []
    while ready:
        event_id = heappop(ready)[2]
        ordered.append(events[event_id])
        for event in cited_by.get(event_id, ()):
            waits_for[event.event_id] -= 1
            if not waits_for[event.event_id]:
                heappush(ready, _rank(event, level))
    return ordered


def by_mainline(events: Iterable[Event], power_levels: str | None, parents: Mapping[str, str | None]) -> list[Event]:
    """The mainline ordering based on the `m.room.power_levels` event `power_levels` (`None`: the state has none).

    `parents` gives for every event of `events`, and for every event met from there and from `power_levels` on, the
    `m.room.power_levels` event among its auth events.
    """
    positions: dict[str, int] = {}
    current = power_levels
    while current is not None and current not in positions:
        positions[current] = len(positions)
        current = parents.get(current)
    off_mainline = len(positions)
    memo = dict(positions)

    def position(event: Event) -> int:
        """How far back its closest event of the mainline is; those without one are further back than all."""
        path: list[str] = []
        current = parents.get(event.event_id)
        while current is not None and current not in memo:
            memo[current] = off_mainline  # Overwritten below; until then it stops a circle.
            path.append(current)
            current = parents.get(current)
        found = off_mainline if current is None else memo[current]
        memo.update(dict.fromkeys(path, found))
        return found

    return sorted(events, key=lambda event: (-position(event), event.origin_server_ts, event.event_id))


def _rank(event: Event, level: Callable[[Event], int]) -> tuple[int, int, str]:
    return -level(event), event.origin_server_ts, event.event_id
