"""Who may redact what.

Spec: room versions 1 and 2, authorisation rule 11; room version 3, "Handling redactions"; client-server API, "Redactions".
"""

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.auth.state import StateLookup
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of


def check_redaction(event: Event, state: StateLookup) -> None:
    """The auth rule of room versions 1 and 2: enough power, or both events named by one server."""
    levels = power_levels(state)
    if levels.user_level(event.sender) >= levels.redact:
        return
    server = domain_of(event.event_id)
    if not server or event.redacts is None or domain_of(event.redacts) != server:
        raise AuthError("the sender's power level is too low to redact another server's event")


def redaction_allowed(event: Event, target: Event, state: StateLookup) -> bool:
    """Whether an accepted redaction takes effect on `target`, judged by the state before the redaction.

    Where the auth rules have judged it already (room versions 1 and 2), acceptance is enough. A redaction never reaches
    into another room.
    """
    if event.room_id != target.room_id or event.redacts != target.event_id:
        return False
    if event.version.redaction_auth_rule or domain_of(event.sender) == domain_of(target.sender):
        return True
    levels = power_levels(state)
    return levels.user_level(event.sender) >= levels.redact


def user_may_redact(sender: str, target: Event, state: StateLookup) -> bool:
    """Whether a server lets its user redact `target`: their own events, and with the redact level those of others.

    Stricter than what is accepted from other servers, which may speak for all their users.
    """
    if sender == target.sender:
        return True
    levels = power_levels(state)
    return levels.user_level(sender) >= levels.redact
