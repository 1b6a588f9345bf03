"""The authorisation rule of `m.room.power_levels`.

Spec: room versions, "Authorisation rules", "If type is m.room.power_levels" (rule 10 of versions 1 to 5 and 12, rule 9 of
the others). Nobody may touch a level above their own, nor another user who is their equal.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import LEVEL_NAMES, PowerLevels, are_integers, creators_of, levels_of, read_level
from ranvier.proto.auth.state import POWER_LEVELS, StateLookup
from ranvier.proto.events import Event
from ranvier.proto.ids import is_user_id
from ranvier.proto.room_versions import RoomVersion


def check_levels_change(event: Event, state: StateLookup, create: Event) -> None:
    """Whether the sender may replace the room's power levels with these."""
    content, version = event.content, event.version
    if version.integer_power_levels:
        _check_integers(content)
    elif not version.strict_canonical_json:
        _check_finite(content)
    previous = state.get(POWER_LEVELS)
    _check_users(content, {} if previous is None else previous.content.get("users", {}), version)
    if version.privileged_creators and not creators_of(create).isdisjoint(content.get("users", ())):
        raise AuthError("room creators have no entry in users")
    if previous is not None:
        _check_changes(event.sender, levels_of(create, previous), levels_of(create, event), version)


def _check_integers(content: Mapping[str, Any]) -> None:
    """The first two rules of the room versions that insist on integers (a boolean is none)."""
    for name in LEVEL_NAMES:
        if name in content and type(content[name]) is not int:
            raise AuthError(f"{name} is not an integer")
    for name in ("events", "notifications"):
        if name in content and not _is_map_of_integers(content[name]):
            raise AuthError(f"{name} is not a mapping to integers")


def _check_finite(content: Mapping[str, Any]) -> None:
    """Room versions 1 to 5, "values as floats": infinities and NaN make the event invalid."""
    for name in LEVEL_NAMES:
        if _is_infinite(content.get(name)):
            raise AuthError(f"{name} is not finite")
    for name in ("events", "notifications", "users"):
        entries = content.get(name)
        if isinstance(entries, dict) and any(map(_is_infinite, entries.values())):
            raise AuthError(f"a level in {name} is not finite")


def _check_users(content: Mapping[str, Any], allowed: object, version: RoomVersion) -> None:
    """`allowed` are the `users` of the power levels in force, which have been through this already.

    In a great room there are hundreds of them in each of hundreds of events, and few that the one before had not.
    """
    users = content.get("users", {})
    if not isinstance(users, dict):
        raise AuthError("users is not a mapping")
    for user_id in [name for name in users if name not in allowed] if isinstance(allowed, dict) else users:
        if not is_user_id(user_id):
            raise AuthError("a key of users is not a user id")
    if not are_integers(users) and any(read_level(level, version) is None for level in users.values()):
        raise AuthError("a level in users is not an integer")


def _check_changes(sender: str, before: PowerLevels, after: PowerLevels, version: RoomVersion) -> None:
    power = before.user_level(sender)
    for name, old, new in _alterations(before.explicit, after.explicit):
        if _exceeds(old, power) or _exceeds(new, power):
            raise AuthError(f"the sender's power level is too low to change {name}")
    for name, old, new in _alterations(before.events, after.events):
        if _exceeds(old, power) or _exceeds(new, power):
            raise AuthError(f"the sender's power level is too low to change the level of {name}")
    if version.check_notification_levels:
        for name, old, new in _alterations(before.notifications, after.notifications):
            if _exceeds(old, power) or _exceeds(new, power):
                raise AuthError(f"the sender's power level is too low to change the level of notification {name}")
    for user_id, old, new in _alterations(before.users, after.users):
        if old is not None and old >= power and user_id != sender:
            raise AuthError("the sender's power level is too low to change this user's")
        if _exceeds(new, power):
            raise AuthError("the sender cannot give more power than they have")


def _alterations(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[tuple[str, int | None, int | None]]:
    """`(name, old, new)` of every entry that was added (old is None), removed (new is None) or changed."""
    # Of hundreds of entries those that differ are found without a look at each in Python.
    names = {name for name, _ in before.items() ^ after.items()} if before != after else ()
    for name in names:
        yield name, before.get(name), after.get(name)


def _exceeds(level: int | None, power: int) -> bool:
    return level is not None and level > power


def _is_map_of_integers(value: object) -> bool:
    return isinstance(value, dict) and are_integers(value)


def _is_infinite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
