"""The state resolution of room version 1.

Spec: room version 1, "State resolution".
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from typing import Final

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.auth.state import CREATE
from ranvier.proto.events import Event, StateKey
from ranvier.proto.resolution.requests import Entries, FetchEvents, FetchUnconflicted, Resolution

PASSES: Final = ("m.room.power_levels", "m.room.join_rules", "m.room.member")
"""The types whose conflicts are resolved before all others, in this order."""

_Choose = Callable[[Sequence[Event], dict[StateKey, Event]], Event | None]


def resolve_v1(conflicts: Sequence[Entries]) -> Resolution:
    """See `resolve.resolve`.

    In this algorithm only different events for the same key are in conflict: an entry that some states lack is kept.
    Keys that are resolved in the same pass do not see each other's results, so that their order does not matter.
    """
    events = yield FetchEvents(frozenset(event_id for entries in conflicts for event_id in entries.values()))
    groups: dict[StateKey, dict[str, Event]] = {}
    for entries in conflicts:
        for key, event_id in entries.items():
            if event_id in events:
                groups.setdefault(key, {})[event_id] = events[event_id]
    needed = {key for group in groups.values() for event in group.values() for key in auth_types_of(event)} | {CREATE}
    known = yield FetchUnconflicted(frozenset(needed))
    state = {event.key: event for event in known.values() if event.key is not None}
    state.update({key: event for key, group in groups.items() if len(group) == 1 for event in group.values()})
    disputed = {key: list(group.values()) for key, group in groups.items() if len(group) > 1}
    for type_ in PASSES:
        _pass([key for key in disputed if key[0] == type_], disputed, state, _last_of_unbroken)
    _pass([key for key in disputed if key[0] not in PASSES], disputed, state, _first_allowed)
    return {key: state[key].event_id for key in groups if key in state}


def _pass(
    keys: Iterable[StateKey], disputed: dict[StateKey, list[Event]], state: dict[StateKey, Event], choose: _Choose
) -> None:
    chosen = {key: choose(disputed[key], state) for key in keys}
    state.update({key: event for key, event in chosen.items() if event is not None})


def _last_of_unbroken(events: Sequence[Event], state: dict[StateKey, Event]) -> Event | None:
    """From the shallowest event on, as far as each is allowed on top of the one before."""
    shallowest, *others = sorted(sorted(events, key=_digest, reverse=True), key=_depth)
    state = {**state, (shallowest.type, shallowest.state_key or ""): shallowest}
    chosen = shallowest
    for event in others:
        if not _allowed(event, state):
            break
        chosen = event
        state[event.type, event.state_key or ""] = event
    return chosen


def _first_allowed(events: Sequence[Event], state: dict[StateKey, Event]) -> Event | None:
    """From the deepest event on, the first that is allowed."""
    by_digest = sorted(events, key=_digest)
    return next((event for event in sorted(by_digest, key=_depth, reverse=True) if _allowed(event, state)), None)


def _allowed(event: Event, state: dict[StateKey, Event]) -> bool:
    try:
        check_event(event, state)
    except AuthError:
        return False
    return True


def _depth(event: Event) -> int:
    return event.depth


def _digest(event: Event) -> str:
    return sha1(event.event_id.encode(), usedforsecurity=False).hexdigest()
