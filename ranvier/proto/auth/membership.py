"""The authorisation rules of `m.room.member` events: joins, leaves, kicks, bans and knocks; invites are in `invite`.

Spec: room versions, "Authorisation rules", the rule "If type is m.room.member" (rule 5 of versions 1 to 5 and 12, rule 4
of the others). One function for each membership; each returns if the event is allowed and raises `AuthError` if not.
"""

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.invite import check_invite
from ranvier.proto.auth.power_levels import creators_of, power_levels
from ranvier.proto.auth.state import StateLookup, join_rule_of, membership_of
from ranvier.proto.events import Event


def check_member(event: Event, state: StateLookup, create: Event, *, authoriser_signed: bool) -> None:
    """The whole member rule; `authoriser_signed` as in `rules.check_event`."""
    target = event.state_key
    if target is None:
        raise AuthError("a member event needs a state_key")
    version = event.version
    if version.restricted_joins and "join_authorised_via_users_server" in event.content:
        authoriser = event.content["join_authorised_via_users_server"]
        if not authoriser_signed or not isinstance(authoriser, str):
            raise AuthError("the server that authorised the join has not signed it")
    match event.membership:
        case "join":
            _check_join(event, target, state, create)
        case "invite":
            check_invite(event, target, state)
        case "leave":
            _check_leave(event, target, state)
        case "ban":
            _check_ban(event, target, state)
        case "knock" if version.knock:
            _check_knock(event, target, state)
        case _:
            raise AuthError("the membership is missing or unknown")


def _check_join(event: Event, target: str, state: StateLookup, create: Event) -> None:
    if event.prev_events == (create.event_id,) and _is_first_creator(target, create):
        return
    if event.sender != target:
        raise AuthError("nobody can make another user join")
    current = membership_of(state, target)
    if current == "ban":
        raise AuthError("the user is banned")
    rule = join_rule_of(state)
    if rule == "public":
        return
    version = event.version
    restricted = _is_restricted(rule, event)
    by_invite = rule == "invite" or restricted or (rule == "knock" and version.knock)
    if by_invite and current in ("invite", "join"):
        return
    if restricted:
        _check_authoriser(event, state)
        return
    raise AuthError("the join rule asks for an invite" if by_invite else "the join rule lets nobody in")


def _is_first_creator(user_id: str, create: Event) -> bool:
    """Whether the user is the one whose join follows the create event: never one of the additional creators."""
    if create.version.creator_in_content:
        return user_id in creators_of(create)
    return user_id == create.sender


def _is_restricted(rule: str, event: Event) -> bool:
    version = event.version
    return (rule == "restricted" and version.restricted_joins) or (
        rule == "knock_restricted" and version.knock_restricted_joins
    )


def _check_authoriser(event: Event, state: StateLookup) -> None:
    """A restricted join needs a joined member who could have invited the user."""
    authoriser = event.content.get("join_authorised_via_users_server")
    if not isinstance(authoriser, str):
        raise AuthError("a restricted join names the user who authorised it")
    if membership_of(state, authoriser) != "join":
        raise AuthError("the user who authorised the join is not in the room")
    levels = power_levels(state)
    if levels.user_level(authoriser) < levels.invite:
        raise AuthError("the user who authorised the join may not invite")


def _check_leave(event: Event, target: str, state: StateLookup) -> None:
    current = membership_of(state, target)
    if event.sender == target:
        if current in ("join", "invite") or (current == "knock" and event.version.knock):
            return
        raise AuthError("the user is not in the room")
    if membership_of(state, event.sender) != "join":
        raise AuthError("the sender is not in the room")
    levels = power_levels(state)
    power = levels.user_level(event.sender)
    if current == "ban" and power < levels.ban:
        raise AuthError("the sender's power level is too low to unban")
    if power < levels.kick or levels.user_level(target) >= power:
        raise AuthError("the sender's power level is too low to kick this user")


def _check_ban(event: Event, target: str, state: StateLookup) -> None:
    if membership_of(state, event.sender) != "join":
        raise AuthError("the sender is not in the room")
    levels = power_levels(state)
    power = levels.user_level(event.sender)
    if power < levels.ban or levels.user_level(target) >= power:
        raise AuthError("the sender's power level is too low to ban this user")


def _check_knock(event: Event, target: str, state: StateLookup) -> None:
    rule = join_rule_of(state)
    if rule != "knock" and not (rule == "knock_restricted" and event.version.knock_restricted_joins):
        raise AuthError("the join rule does not let users knock")
    if event.sender != target:
        raise AuthError("nobody can knock for another user")
    if membership_of(state, target) in ("ban", "invite", "join"):
        raise AuthError("the user is banned, invited or joined already")
