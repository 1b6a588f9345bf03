"""History visibility: which events of a room a user may see.

Spec: client-server API, "Room History Visibility". Decided event by event from the state at the event; who may ask about
a room at all (nobody but its members and former members, unless it is world-readable) is decided before.
"""

from typing import Final, Literal, TypeGuard

from ranvier.proto.events import Event, StateKey

Visibility = Literal["world_readable", "shared", "invited", "joined"]

HISTORY_VISIBILITY: Final[StateKey] = ("m.room.history_visibility", "")


def visibility_of(event: Event | None) -> Visibility:
    """What an `m.room.history_visibility` event sets; `shared` if there is none, or if it is not understood."""
    value = None if event is None else event.content.get("history_visibility")
    return value if _is_visibility(value) else "shared"


def visible(event: Event, user_id: str, *, visibility: Visibility, membership: str | None, joined_later: bool) -> bool:
    """Whether the user may see the event.

    `visibility` and `membership` (the user's own) are those in the state *before* the event; a change that the event
    itself makes to one of them is taken into account here. `joined_later` says whether the user has joined the room at
    any point after the event: true for everyone who is joined now, and for a former member if their last time in the
    room ended after the event.
    """
    if _allows(visibility, membership, joined_later=joined_later):
        return True
    key = event.key
    if key == HISTORY_VISIBILITY:
        return _allows(visibility_of(event), membership, joined_later=joined_later)
    if key == ("m.room.member", user_id):
        return _allows(visibility, event.membership, joined_later=joined_later)
    return False


def sees_everything(visibility: Visibility, *, joined_now: bool) -> bool:
    """Whether a user sees every event that was sent while `visibility` was set, whatever their membership was then."""
    return visibility == "world_readable" or (visibility == "shared" and joined_now)


def _allows(visibility: Visibility, membership: str | None, *, joined_later: bool) -> bool:
    """The five rules, on one state."""
    if visibility == "world_readable" or membership == "join":
        return True
    if visibility == "shared":
        return joined_later
    return visibility == "invited" and membership == "invite"


def _is_visibility(value: object) -> TypeGuard[Visibility]:
    return value in ("world_readable", "shared", "invited", "joined") if isinstance(value, str) else False
