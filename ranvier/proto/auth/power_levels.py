"""Power levels: who may do what in a room.

Spec: client-server API `m.room.power_levels`; room versions 1 ("values as strings", "values as floats"), 10 (integers
only) and 12 (creators).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.auth.state import CREATE, POWER_LEVELS, StateLookup
from ranvier.proto.events import Event
from ranvier.proto.room_versions import RoomVersion

CREATOR_LEVEL: Final = 1 << 63
"""The infinite power of room creators: an integer above every level that an event of such a room can hold (53 bits)."""

LEVEL_NAMES: Final = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
"""The properties that are one level each, in the order of the auth rules."""

_ONLY_INTEGERS: Final = frozenset({int})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLevels:
    """The levels in force in a room, with every default filled in."""

    users: Mapping[str, int]
    """Users with a level of their own; room creators among them where the room version gives them power."""
    events: Mapping[str, int]
    notifications: Mapping[str, int]
    users_default: int = 0
    events_default: int = 0
    state_default: int = 50
    ban: int = 50
    redact: int = 50
    kick: int = 50
    invite: int = 0
    explicit: Mapping[str, int]
    """Those of `LEVEL_NAMES` that the event itself sets."""

    def user_level(self, user_id: str) -> int:
        """The power level of a user, member or not."""
        return self.users.get(user_id, self.users_default)

    def required_level(self, event_type: str, *, is_state: bool) -> int:
        """The level that is needed to send an event of this type (not member events)."""
        return self.events.get(event_type, self.state_default if is_state else self.events_default)

    def notification_level(self, key: str) -> int:
        """The level that is needed to trigger the notification `key`, such as `room`."""
        return self.notifications.get(key, 50)


def power_levels(state: StateLookup) -> PowerLevels:
    """The levels in force in a state; without a create event nobody has power. Parsed once per event."""
    return levels_of(state.get(CREATE), state.get(POWER_LEVELS))


def levels_of(create: Event | None, event: Event | None) -> PowerLevels:
    """The levels that `event` (the `m.room.power_levels` event in force, if any) sets in the room of `create`.

    Memoised on `event`, or on `create` where there is none: both belong to one room for good, so that the same pair
    always meets.
    """
    source = event if event is not None else create
    if source is None:
        return PowerLevels(users={}, events={}, notifications={}, explicit={})
    levels = source.parsed
    if not isinstance(levels, PowerLevels):
        levels = _parse(create, event, source.version)
        if create is not None:
            source.parsed = levels
    return levels


def parse_levels(content: Mapping[str, Any], version: RoomVersion, powers: Mapping[str, int]) -> PowerLevels:
    """The levels in a content; values this room version does not understand count as absent.

    `powers` are levels which the content cannot change: those of privileged creators.
    """
    explicit = {}
    for name in LEVEL_NAMES:
        level = read_level(content.get(name), version)
        if level is not None:
            explicit[name] = level
    return PowerLevels(
        users={**_read_map(content.get("users"), version), **powers},
        events=_read_map(content.get("events"), version),
        notifications=_read_map(content.get("notifications"), version),
        explicit=explicit,
        **explicit,
    )


def read_level(value: object, version: RoomVersion) -> int | None:
    """One level, `None` if the value is none in this room version.

    Versions that do not insist on integers also take strings (decimal, with sign, leading zeroes and surrounding
    whitespace) and finite floats (truncated).
    """
    if type(value) is int:
        return value
    if version.integer_power_levels:
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    if isinstance(value, str):
        text = value.strip()
        return int(text) if _INTEGER.fullmatch(text) else None
    return None


def are_integers(levels: Mapping[str, Any]) -> bool:
    """Whether all of them are integers, without a look at each in Python: there may be thousands."""
    return set(map(type, levels.values())) <= _ONLY_INTEGERS


def creators_of(create: Event) -> frozenset[str]:
    """The room's creators: the sender of the create event, with `additional_creators` where the room version has them,
    or `content.creator` in the room versions that define it.
    """
    if create.version.creator_in_content:
        creator = create.content.get("creator")
        return frozenset((creator,)) if isinstance(creator, str) else frozenset()
    if not create.version.privileged_creators:
        return frozenset((create.sender,))
    additional = create.content.get("additional_creators")
    others = additional if isinstance(additional, list) else []
    return frozenset((create.sender, *(user for user in others if isinstance(user, str))))


def _parse(create: Event | None, event: Event | None, version: RoomVersion) -> PowerLevels:
    creators = frozenset[str]() if create is None else creators_of(create)
    powers = dict.fromkeys(creators, CREATOR_LEVEL) if version.privileged_creators else {}
    if event is not None:
        return parse_levels(event.content, version, powers)
    return PowerLevels(users=powers or dict.fromkeys(creators, 100), events={}, notifications={}, explicit={})


def _read_map(value: object, version: RoomVersion) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    if are_integers(value):
        return value  # Contents of events are not changed.
    levels = {}
    for key, entry in value.items():
        level = read_level(entry, version)
        if level is not None:
            levels[key] = level
    return levels
