"""Putting events into an order in which each comes after those that it cites."""

from collections.abc import Callable, Mapping, Sequence

from ranvier.proto.events import Event


def ancestors_first(events: Mapping[str, Event], cited: Callable[[Event], Sequence[str]]) -> list[Event]:
    """`events` (by id), each after those of them that it cites; else as they came. A cycle, and what cites it, is left out.

    `cited` says which: `auth_events`, or `prev_events`.
    """
    waiting: dict[str, int] = {}
    citing: dict[str, list[str]] = {}
    for event_id, event in events.items():
        among = events.keys() & cited(event)
        waiting[event_id] = len(among)
        for other in among:
            citing.setdefault(other, []).append(event_id)
    order: list[Event] = []
    ready = [event_id for event_id, count in reversed(waiting.items()) if count == 0]
    while ready:
        event_id = ready.pop()
        order.append(events[event_id])
        for other in citing.get(event_id, ()):
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    return order
