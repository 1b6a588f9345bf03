"""What the authorisation rules ask of a room's state.

Spec: server-server API, "Authorisation rules". The rules look up single entries and never list the state, so that a
partial state serves as well as a full one.
"""

from typing import Final, Protocol

from ranvier.proto.events import Event, StateKey

CREATE: Final[StateKey] = ("m.room.create", "")
JOIN_RULES: Final[StateKey] = ("m.room.join_rules", "")
POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")


class StateLookup(Protocol):
    """The state an event is checked against: any mapping of state keys to events, or something that looks like one.

    The create event is found at `("m.room.create", "")` in every room version, although the versions with domainless
    room ids do not list it among the auth events.
    """

    def get(self, key: StateKey, /) -> Event | None:
        """The event that sets `key`, if any."""
        ...


def membership_of(state: StateLookup, user_id: str) -> str | None:
    """The user's membership, `None` if the room has no member event for them (or a malformed one)."""
    event = state.get(("m.room.member", user_id))
    return None if event is None else event.membership


def join_rule_of(state: StateLookup) -> str:
    """The room's join rule; `invite` where none is set, `""` (which no rule knows) where it is not a string."""
    event = state.get(JOIN_RULES)
    if event is None:
        return "invite"
    rule = event.content.get("join_rule", "invite")
    return rule if isinstance(rule, str) else ""
