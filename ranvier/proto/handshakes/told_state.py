"""What servers tell users at the door of a room about it: `invite_room_state` and `knock_room_state`.

Spec: server-server API, `/invite`, `/send_knock` (the create event has been required, and every entry a full event,
since v1.16); client-server API, "Stripped state". Signatures are checked elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.auth.state import CREATE
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion

TOLD: Final[tuple[StateKey, ...]] = tuple(
    (type_, "")
    for type_ in (
        "m.room.create",
        "m.room.name",
        "m.room.avatar",
        "m.room.topic",
        "m.room.join_rules",
        "m.room.canonical_alias",
        "m.room.encryption",
    )
)
"""The state entries that a user at the door is told, beside the member event of whoever invites them."""
MOST_ENTRIES: Final = 100


@dataclass(frozen=True, slots=True)
class ToldState:
    """What was told, as far as it is of use."""

    events: Sequence[Event]
    """Full events of the room."""
    stripped: Sequence[Mapping[str, Any]]
    """Entries of older servers: the type, state key, sender and content only."""
    problem: str | None
    """What is not as it should be, if anything; for people."""

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """All of it, as it came."""
        return [*(event.pdu for event in self.events), *self.stripped]


def read_told_state(entries: object, version: RoomVersion, room_id: str) -> ToldState:
    """The entries as events of the room. Never raises: what is malformed is left out and named in `problem`."""
    if not isinstance(entries, list):
        return ToldState((), (), "not a list")
    events: list[Event] = []
    stripped: list[Mapping[str, Any]] = []
    problem = None if len(entries) <= MOST_ENTRIES else "too many entries"
    for entry in entries[:MOST_ENTRIES]:
        try:
            event = _event(entry, version)
        except InvalidEvent as error:
            problem = problem or f"an entry is no event of the room's version: {error}"
            if _is_stripped(entry):
                stripped.append({key: entry[key] for key in ("type", "state_key", "sender", "content")})
            continue
        if event.room_id != room_id or event.state_key is None:
            problem = problem or "an entry is no state of this room"
        else:
            events.append(event)
    if not any(event.key == CREATE for event in events):
        problem = problem or "the create event is missing"
    return ToldState(events, stripped, problem)


def early_version(entries: object) -> RoomVersion:
    """The version of a room of which it is only known that it is 1 or 2: as its create event has it, if that is told."""
    for entry in entries if isinstance(entries, list) else ():
        content = entry.get("content") if isinstance(entry, dict) and entry.get("type") == "m.room.create" else None
        if isinstance(content, dict) and content.get("room_version") == "2":
            return ROOM_VERSIONS["2"]
    return ROOM_VERSIONS["1"]


def _event(entry: object, version: RoomVersion) -> Event:
    if not isinstance(entry, dict):
        raise InvalidEvent("not an object")
    return parse_event({key: value for key, value in entry.items() if key != "unsigned"}, version)


def _is_stripped(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("type", "state_key", "sender"))
        and isinstance(entry.get("content"), dict)
        and "signatures" not in entry
    )
