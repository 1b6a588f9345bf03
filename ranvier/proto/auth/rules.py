"""The authorisation rules, in the order of the spec.

Spec: room versions, "Authorisation rules"; server-server API, "Checks performed on receipt of a PDU" (checks 4 to 6 run
them against three different states). What differs between room versions is asked of `event.version`. Nothing but
`AuthError` is raised, whatever is in the events.
"""

from collections.abc import Callable, Sequence

from ranvier.proto.auth.create import check_create
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.levels_change import check_levels_change
from ranvier.proto.auth.membership import check_member
from ranvier.proto.auth.power_levels import levels_of
from ranvier.proto.auth.redaction import check_redaction, redaction_allowed
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.auth.state import CREATE, POWER_LEVELS, StateLookup
from ranvier.proto.events import Event, StateKey
from ranvier.proto.ids import domain_of

__all__ = ["AuthError", "check_auth_events", "check_event", "redaction_allowed"]


def check_auth_events(event: Event, auth_events: Sequence[Event], *, rejected: Callable[[str], bool]) -> None:
    """The rule "Considering the event's auth_events"; independent of any state.

    `auth_events` are the events cited, all of them (whoever cannot find one must not ask); `rejected` says of an event
    id whether that event was rejected on receipt.
    """
    if event.type == "m.room.create":
        return
    selected = auth_types_of(event)
    seen: set[StateKey] = set()
    for cited in auth_events:
        key = cited.key
        if key in seen:
            raise AuthError("two auth events set the same state")
        if key is None or key not in selected:
            raise AuthError("an auth event has no bearing on this event")
        seen.add(key)
        if rejected(cited.event_id):
            raise AuthError("an auth event was rejected")
        if cited.room_id != event.room_id:
            raise AuthError("an auth event is of another room")
    if CREATE not in seen and CREATE in selected:
        raise AuthError("the create event is not among the auth events")


def check_event(event: Event, state: StateLookup, *, authoriser_signed: bool = True) -> None:
    """Every rule but the one on the event's own auth events; returns if `event` is allowed on top of `state`.

    `authoriser_signed` is false if the event has a `join_authorised_via_users_server` and that user's server has not
    validly signed it (`proto.signing`). That is a fact of the event and is found out once, with its other signatures;
    checks against further states leave it out.
    """
    event_type = event.type
    if event_type == "m.room.create":
        check_create(event)
        return
    create = state.get(CREATE)
    if create is None:
        raise AuthError("the room has no create event")
    version = event.version
    if version.domainless_room_ids and create.event_id[1:] != event.room_id[1:]:
        raise AuthError("the room id does not belong to the create event")
    _check_federation(event, create)
    if event_type == "m.room.member":
        check_member(event, state, create, authoriser_signed=authoriser_signed)
        return
    if event_type == "m.room.aliases" and version.alias_auth_rule:
        _check_aliases(event)
        return
    sender = event.sender
    member = state.get(("m.room.member", sender))
    if member is None or member.membership != "join":
        raise AuthError("the sender is not in the room")
    _check_power(event, state, create)
    if event_type == "m.room.power_levels":
        check_levels_change(event, state, create)
    elif event_type == "m.room.redaction" and version.redaction_auth_rule:
        check_redaction(event, state)


def _check_federation(event: Event, create: Event) -> None:
    if create.content.get("m.federate") is False and domain_of(event.sender) != domain_of(create.sender):
        raise AuthError("the room is not federated")


def _check_aliases(event: Event) -> None:
    """Each server sets its own aliases, whether it is in the room or not."""
    if event.state_key is None or event.state_key != domain_of(event.sender):
        raise AuthError("servers set only their own aliases")


def _check_power(event: Event, state: StateLookup, create: Event) -> None:
    """The rules on third-party invites, on the required power level, and on state that belongs to a user."""
    levels = levels_of(create, state.get(POWER_LEVELS))
    power = levels.user_level(event.sender)
    state_key = event.state_key
    if event.type == "m.room.third_party_invite":
        # This rule decides alone: neither `events` nor the owner of the state key matter.
        if power < levels.invite:
            raise AuthError("the sender's power level is too low to invite")
        return
    if levels.required_level(event.type, is_state=state_key is not None) > power:
        raise AuthError("the sender's power level is too low for this type of event")
    if state_key is not None and state_key.startswith("@") and state_key != event.sender:
        raise AuthError("the state belongs to another user")
