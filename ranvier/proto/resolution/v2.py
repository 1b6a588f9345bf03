"""The state resolution of room versions 2 to 11, and its revision 2.1 of room version 12.

Spec: room version 2, "State resolution"; room version 12, the same.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import levels_of
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.auth.state import CREATE, POWER_LEVELS
from ranvier.proto.events import Event, StateKey
from ranvier.proto.resolution.order import by_mainline, by_power
from ranvier.proto.resolution.requests import (
    Answer,
    Entries,
    FetchAuthDifference,
    FetchConflictedSubgraph,
    FetchEvents,
    FetchUnconflicted,
    Request,
    Resolution,
)

_POWER_TYPES: Final = ("m.room.power_levels", "m.room.join_rules")


def resolve_v2(conflicts: Sequence[Entries], *, from_empty: bool) -> Resolution:
    """See `resolve.resolve`; `from_empty` is revision 2.1: start from the empty state, and try the conflicted subgraph
    as well.
    """
    conflicted = frozenset(event_id for entries in conflicts for event_id in entries.values())
    if not conflicted:
        return {}
    full = yield from _full_conflicted_set(conflicts, conflicted, subgraph=from_empty)
    keys = {key for event in full.values() for key in (event.key, *auth_types_of(event), CREATE) if key is not None}
    entries = yield FetchUnconflicted(frozenset(keys))
    unconflicted = {event.key: event for event in entries.values() if event.key is not None}
    auth = yield FetchEvents(_cited(full.values()), accepted_only=True)
    state = _State({} if from_empty else unconflicted, auth)

    powerful = _power_events(full)
    state.apply(by_power(powerful, lambda event: _sender_level(event, auth)))
    others = [event for event_id, event in full.items() if event_id not in powerful]
    levels = state.entries.get(POWER_LEVELS)
    parents = yield from _power_level_parents([*others, levels] if levels else others)
    state.apply(by_mainline(others, levels.event_id if levels else None, parents))
    return {key: event.event_id for key, event in state.entries.items() if key not in unconflicted}


def _full_conflicted_set(
    conflicts: Sequence[Entries], conflicted: frozenset[str], *, subgraph: bool
) -> Generator[Request, Answer, dict[str, Event]]:
    full = dict((yield FetchAuthDifference(tuple(frozenset(entries.values()) for entries in conflicts))))
    if subgraph:
        full.update((yield FetchConflictedSubgraph(conflicted)))
    missing = conflicted.difference(full)
    if missing:
        full.update((yield FetchEvents(missing)))
    return {event_id: event for event_id, event in full.items() if event.state_key is not None}


def _power_events(full: Mapping[str, Event]) -> dict[str, Event]:
    """The power events, and what is in their auth chains, of the full conflicted set."""
    pending = [event for event in full.values() if _is_power_event(event)]
    powerful = {}
    while pending:
        event = pending.pop()
        if event.event_id not in powerful:
            powerful[event.event_id] = event
            pending.extend(full[auth] for auth in event.auth_events if auth in full)
    return powerful


def _is_power_event(event: Event) -> bool:
    if event.type == "m.room.member":
        return event.membership in ("leave", "ban") and event.sender != event.state_key
    return event.type in _POWER_TYPES


class _State:
    """The state that is being built: the iterative auth checks."""

    def __init__(self, start: Mapping[StateKey, Event], auth: Mapping[str, Event]) -> None:
        self.entries = dict(start)
        self._auth = auth

    def apply(self, events: Iterable[Event]) -> None:
        """Apply those of `events` that are allowed, one after the other."""
        for event in events:
            try:
                check_event(event, self._around(event))
            except AuthError:
                continue
            self.entries[event.type, event.state_key or ""] = event

    def _around(self, event: Event) -> dict[StateKey, Event]:
        """What authorises the event: entries of the state, and where it lacks them, the event's own auth events."""
        seen = {}
        for auth_id in _auth_ids(event):
            cited = self._auth.get(auth_id)
            if cited is not None and cited.key is not None:
                seen[cited.key] = cited
        for key in (CREATE, *auth_types_of(event)):
            entry = self.entries.get(key)
            if entry is not None:
                seen[key] = entry
        return seen


def _auth_ids(event: Event) -> tuple[str, ...]:
    """The auth events, with the create event that the room id implies where it is not among them."""
    if event.version.domainless_room_ids and event.type != "m.room.create":
        return (*event.auth_events, f"${event.room_id[1:]}")
    return event.auth_events


def _cited(events: Iterable[Event]) -> frozenset[str]:
    return frozenset(auth_id for event in events for auth_id in _auth_ids(event))


def _sender_level(event: Event, auth: Mapping[str, Event]) -> int:
    """The power level of the sender according to the event's auth events."""
    cited = {entry.key: entry for entry in (auth.get(auth_id) for auth_id in _auth_ids(event)) if entry is not None}
    return levels_of(cited.get(CREATE), cited.get(POWER_LEVELS)).user_level(event.sender)


def _power_level_parents(events: Iterable[Event]) -> Generator[Request, Answer, dict[str, str | None]]:
    """For these events and all that are met from them on, the `m.room.power_levels` event among their auth events.

    As many requests as the longest chain of `m.room.power_levels` events is long.
    """
    parents: dict[str, str | None] = {}
    pending = {event.event_id: event for event in events}
    while pending:
        cited = yield FetchEvents(frozenset(auth_id for event in pending.values() for auth_id in event.auth_events))
        found = {}
        for event_id, event in pending.items():
            parent = next(
                (cited[auth] for auth in event.auth_events if auth in cited and _is_levels(cited[auth])), None
            )
            parents[event_id] = None if parent is None else parent.event_id
            if parent is not None:
                found[parent.event_id] = parent
        pending = {event_id: event for event_id, event in found.items() if event_id not in parents}
    return parents


def _is_levels(event: Event) -> bool:
    return event.key == POWER_LEVELS
