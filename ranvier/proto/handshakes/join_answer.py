"""What a resident server answers to a join: the room's state, and why it is so.

Spec: server-server API, `/send_join`. Two steps with the caller between them: `split_answer` finds the events, the
caller puts them through checks 1 to 3, and `sound_answer` says whether what is left holds together. The auth rules are
asked by the room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.auth.state import CREATE, JOIN_RULES, POWER_LEVELS
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.ids import is_server_name

_DECISIVE: Final = frozenset({CREATE, POWER_LEVELS, JOIN_RULES})
"""State entries without which nothing that follows could be judged."""
MAX_SERVERS: Final = 100_000
"""More servers than there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """The answer as it came."""

    state: Sequence[dict[str, Any] | bytes]
    """Events, or their JSON, which need not be that of an event."""
    auth_chain: Sequence[dict[str, Any] | bytes]
    join: Event
    """As it was sent, with the signatures that the resident server has added."""
    members_omitted: bool = False
    """Whether `state` leaves members out (MSC3706)."""
    servers_in_room: frozenset[str] = frozenset()
    """Told where members are omitted: the servers in the room before the join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnswer:
    """The answer as far as its events have passed: all of them have all of their auth events."""

    state: Sequence[Event]
    auth_chain: Sequence[Event]


def split_answer(answer: object, sent: Event) -> JoinAnswer:
    """The parts of the answer to the join that was sent. Raises `BadAnswer`."""
    if not isinstance(answer, dict):
        raise BadAnswer("not an object")
    omitted = answer.get("members_omitted", False)
    if not isinstance(omitted, bool):
        raise BadAnswer("members_omitted: not a boolean")
    return JoinAnswer(
        state=_pdus(answer, "state"),
        auth_chain=_pdus(answer, "auth_chain"),
        join=_join(answer.get("event"), sent),
        members_omitted=omitted,
        servers_in_room=_servers(answer) if omitted else frozenset(),
    )


def sound_answer(
    state: Sequence[Event], auth_chain: Sequence[Event], join: Event, *, refused: Mapping[str, str]
) -> SoundAnswer:
    """What is left when events that rest on missing ones are left out too. Raises `BadAnswer` if that is not enough.

    The events have passed checks 1 to 3; `refused` says why others of the answer have not, by id.
    """
    events = {event.event_id: event for event in (*auth_chain, *state)}
    unsound = _unsound(events)
    for event in (*(event for event in state if event.key in _DECISIVE), join):
        bad = next((cited for cited in event.auth_events if cited not in events or cited in unsound), None)
        if bad is not None:
            reason = refused.get(bad, "it is missing or rests on events that are")
            raise BadAnswer(f"auth event {bad} of {event.type}: {reason}")
    _check_state(state, join)
    in_state = {event.event_id for event in state}
    return SoundAnswer(
        state=[event for event in state if event.event_id not in unsound],
        auth_chain=[event for key, event in events.items() if key not in unsound and key not in in_state],
    )


def _pdus(answer: Mapping[str, Any], field: str) -> list[dict[str, Any] | bytes]:
    entries = answer.get(field)
    if not isinstance(entries, list) or not all(isinstance(entry, dict | bytes) for entry in entries):
        raise BadAnswer(f"{field}: not a list of events")
    return entries


def _servers(answer: Mapping[str, Any]) -> frozenset[str]:
    servers = answer.get("servers_in_room")
    if not isinstance(servers, list) or len(servers) > MAX_SERVERS:
        raise BadAnswer("servers_in_room: not a list of servers")
    return frozenset(name for name in servers if isinstance(name, str) and is_server_name(name))


def _join(entry: object, sent: Event) -> Event:
    """Our event with further signatures; any other difference makes it another event."""
    if entry is None:
        return sent
    ours = sent.pdu
    if not isinstance(entry, dict) or not isinstance(entry.get("signatures"), dict):
        raise BadAnswer("event: not an event")
    beside = ("signatures", "unsigned")
    if {key: value for key, value in entry.items() if key not in beside} != {
        key: value for key, value in ours.items() if key not in beside
    }:
        raise BadAnswer("event: not the one that was sent")
    added = {name: keys for name, keys in entry["signatures"].items() if isinstance(keys, dict)}
    try:
        return parse_event({**ours, "signatures": {**added, **ours["signatures"]}}, sent.version)
    except InvalidEvent as error:
        raise BadAnswer(f"event: {error}") from error


def _unsound(events: Mapping[str, Event]) -> set[str]:
    """Ids of events some of whose auth events are not there, or theirs, and so on."""
    unsound = {key for key, event in events.items() if any(cited not in events for cited in event.auth_events)}
    if not unsound:
        return unsound
    citing: dict[str, list[str]] = {}
    for key, event in events.items():
        for cited in event.auth_events:
            citing.setdefault(cited, []).append(key)
    waiting = list(unsound)
    while waiting:
        for key in citing.get(waiting.pop(), ()):
            if key not in unsound:
                unsound.add(key)
                waiting.append(key)
    return unsound


def _check_state(state: Sequence[Event], join: Event) -> None:
    keys = [event.key for event in state]
    if None in keys:
        raise BadAnswer("state: an event is no state event")
    if len(set(keys)) != len(keys):
        raise BadAnswer("state: an entry is there twice")
    create = next((event for event in state if event.key == CREATE), None)
    if create is None:
        raise BadAnswer("state: the create event is missing")
    if create.room_id != join.room_id:
        raise BadAnswer("state: the create event is of another room")
    if create.content.get("room_version", "1") != join.version.identifier:
        raise BadAnswer("state: the room has another version")
