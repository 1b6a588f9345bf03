"""What a scripted resident answers when it tells the truth. Spec: server-server API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.event_build import edges
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from tests.faster_joins.room import MEMBER, ScriptedRoom, State, now_ms

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    act: str
    """The first segment after the version, such as `send_join`."""
    rest: Sequence[str]
    """The segments after it."""
    query: Mapping[str, str]
    body: Any
    origin: str
    at_s: float
    path: str


NOT_FOUND: Answer = (404, {"errcode": "M_NOT_FOUND", "error": "It is not known here"})
FORBIDDEN: Answer = (403, {"errcode": "M_FORBIDDEN", "error": "They are not in the room"})


def template(room: ScriptedRoom, user_id: str, membership: str) -> Answer:
    """`/make_join` and its kin."""
    content = {"membership": membership}
    rules = room.state["m.room.join_rules", ""].content
    if membership == "join" and rules["join_rule"] == "restricted":
        content["join_authorised_via_users_server"] = room.creator
    keys = auth_types_for(room.version, MEMBER, user_id, user_id, content)
    state = room.state
    event = {
        "type": MEMBER,
        "room_id": room.room_id,
        "sender": user_id,
        "state_key": user_id,
        "content": content,
        "origin_server_ts": now_ms(),
        "depth": 1 + max(end.depth for end in room.ends),
        "prev_events": edges(room.ends, room.version),
        "auth_events": edges([state[key] for key in keys if key in state], room.version),
    }
    return 200, {"room_version": room.version.identifier, "event": event}


def joined(room: ScriptedRoom, join: Event, *, omit_members: bool) -> Answer:
    """`/send_join`."""
    before = room.before[join.event_id]
    state = [event for event in before.values() if not (omit_members and event.type == MEMBER)]
    chain = room.auth_chain([*state, join])
    if omit_members:
        chain = [event for event in chain if event not in state]
    answer = {"event": join.pdu, "state": pdus(state), "auth_chain": pdus(chain), "members_omitted": omit_members}
    return 200, answer | ({"servers_in_room": room.servers(before)} if omit_members else {})


def state_at(room: ScriptedRoom, event_id: str, *, ids: bool) -> Answer:
    """`/state` and `/state_ids`."""
    if event_id not in room.before:
        return NOT_FOUND
    return 200, state_answer(room, room.before[event_id], ids=ids)


def state_answer(room: ScriptedRoom, state: State, *, ids: bool) -> dict[str, Any]:
    """A state, as those endpoints tell it."""
    events = list(state.values())
    chain = room.auth_chain(events)
    if ids:
        return {
            "pdu_ids": [event.event_id for event in events],
            "auth_chain_ids": [event.event_id for event in chain],
        }
    return {"pdus": pdus(events), "auth_chain": pdus(chain)}


def event_auth(room: ScriptedRoom, event_id: str) -> Answer:
    """`/event_auth`."""
    if event_id not in room.events:
        return NOT_FOUND
    return 200, {"auth_chain": pdus(room.auth_chain([room.events[event_id]]))}


def missing_events(room: ScriptedRoom, body: Mapping[str, Any]) -> Answer:
    """`/get_missing_events`."""
    found = room.between(body["latest_events"], body["earliest_events"], body.get("limit", 10))
    return 200, {"events": pdus(found)}


def backfill(room: ScriptedRoom, event_id: str, limit: int) -> Answer:
    """`/backfill`."""
    start = [room.events[event_id]] if event_id in room.events else []
    found = [*start, *reversed(room.between([event_id], (), limit))]
    return 200, {"origin": domain_of(room.creator), "origin_server_ts": now_ms(), "pdus": pdus(found[:limit])}


def pdus(events: Sequence[Event]) -> list[Any]:
    """Events as they are sent."""
    return [event.pdu for event in events]
