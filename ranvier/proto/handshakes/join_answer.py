"""What a resident server answers to a join: the room's state, and why it is so.

Spec: server-server API, `/send_join`. Three steps: `read_join_answer` (checks 1 and 3 of every event), then the caller
checks signatures, then `whole` says whether what is left holds together. The auth rules are not asked here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ranvier.proto.auth.state import CREATE
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.hashing import content_hash_matches
from ranvier.proto.redaction import redact_event
from ranvier.proto.room_versions import RoomVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """The answer; every event has the right format and, where its content hash was wrong, has been redacted."""

    state: Sequence[Event]
    auth_chain: Sequence[Event]
    """Without events that are in `state`."""
    join: Event
    """As it was sent, or with further signatures."""


def split_answer(answer: object) -> tuple[list[Any], list[Any]]:
    """The entries of `state` and `auth_chain`. Raises `BadAnswer`."""
    if not isinstance(answer, dict):
        raise BadAnswer("not an object")
    state, auth_chain = answer.get("state"), answer.get("auth_chain")
    if not isinstance(state, list) or not isinstance(auth_chain, list):
        raise BadAnswer("state, auth_chain: missing")
    return state, auth_chain


def read_events(entries: Sequence[object], version: RoomVersion) -> list[Event]:
    """Events of other servers, redacted where the content hash is wrong. Those that are no events are left out."""
    return [event for entry in entries if (event := _read_event(entry, version)) is not None]


def read_join(answer: dict[str, Any], sent: Event) -> Event:
    """The join with the signatures that the resident server has added. Raises `BadAnswer` if it is another event."""
    entry = answer.get("event")
    if entry is None:
        return sent
    if not isinstance(entry, dict):
        raise BadAnswer("event: not an object")
    try:
        event = parse_event({key: value for key, value in entry.items() if key != "unsigned"}, sent.version)
    except InvalidEvent as error:
        raise BadAnswer(f"event: {error}") from error
    if _without_signatures(event) != _without_signatures(sent):
        raise BadAnswer("event: not the one that was sent")
    signatures = {**_by_server(event), **_by_server(sent)}
    return parse_event({**sent.pdu, "signatures": signatures}, sent.version)


def whole(answer: JoinAnswer, told: Collection[str], room_id: str) -> JoinAnswer:
    """The answer without events whose auth events are gone, if it is the state of this room.

    `told` are the ids of all events that the resident server told of, also those that have been dropped since because
    their signatures are bad: what rests on these goes too. What rests on events that were never told makes the answer
    worthless. Raises `BadAnswer`.
    """
    version = answer.join.version
    events = {event.event_id: event for event in (*answer.state, *answer.auth_chain)}
    if any(event.room_id != room_id for event in events.values()):
        raise BadAnswer("an event is of another room")
    for event in (*events.values(), answer.join):
        if any(cited not in told for cited in event.auth_events):
            raise BadAnswer(f"the auth chain has gaps: {event.event_id}")
    sound = _sound(events)
    if any(cited not in sound for cited in answer.join.auth_events):
        raise BadAnswer("the auth events of the join do not hold")
    state = [event for event in answer.state if event.event_id in sound]
    _check_state(state, version)
    return replace(answer, state=state, auth_chain=[event for event in answer.auth_chain if event.event_id in sound])


def _sound(events: dict[str, Event]) -> set[str]:
    """The ids of the events whose auth events are all there, and theirs, and so on."""
    unsound = {key for key, event in events.items() if any(cited not in events for cited in event.auth_events)}
    citing: dict[str, list[str]] = {}
    if unsound:
        for key, event in events.items():
            for cited in event.auth_events:
                citing.setdefault(cited, []).append(key)
    waiting = list(unsound)
    while waiting:
        for key in citing.get(waiting.pop(), ()):
            if key not in unsound:
                unsound.add(key)
                waiting.append(key)
    return events.keys() - unsound


def _check_state(state: Sequence[Event], version: RoomVersion) -> None:
    keys = [event.key for event in state]
    if None in keys:
        raise BadAnswer("an event of the state is no state event")
    if len(set(keys)) != len(keys):
        raise BadAnswer("the state has an entry twice")
    create = next((event for event in state if event.key == CREATE), None)
    if create is None:
        raise BadAnswer("the state has no create event")
    if create.content.get("room_version", "1") != version.identifier:
        raise BadAnswer("the room has another version")


def _read_event(entry: object, version: RoomVersion) -> Event | None:
    if not isinstance(entry, dict):
        return None
    if "unsigned" in entry:
        entry = {key: value for key, value in entry.items() if key != "unsigned"}
    try:
        event = parse_event(entry, version)
    except InvalidEvent:
        return None
    return event if content_hash_matches(entry, version) else redact_event(event)


def _without_signatures(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.pdu.items() if key != "signatures"}


def _by_server(event: Event) -> dict[str, Any]:
    return {name: keys for name, keys in event.pdu["signatures"].items() if isinstance(keys, dict)}
