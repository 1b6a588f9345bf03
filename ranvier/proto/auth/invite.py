"""The authorisation rules of invites, those by a third-party identifier included.

Spec: room versions, "Authorisation rules", the member rule, "If membership is invite"; client-server API
`m.room.third_party_invite`.
"""

from typing import Any

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.auth.select import third_party_token
from ranvier.proto.auth.signed_token import is_signed_by_any, public_keys
from ranvier.proto.auth.state import StateLookup, membership_of
from ranvier.proto.events import Event


def check_invite(event: Event, target: str, state: StateLookup) -> None:
    """Whether the sender may invite `target`."""
    if "third_party_invite" in event.content:
        _check_third_party_invite(event, target, state)
        return
    if membership_of(state, event.sender) != "join":
        raise AuthError("the sender is not in the room")
    if membership_of(state, target) in ("join", "ban"):
        raise AuthError("the user is joined or banned already")
    levels = power_levels(state)
    if levels.user_level(event.sender) < levels.invite:
        raise AuthError("the sender's power level is too low to invite")


def _check_third_party_invite(event: Event, target: str, state: StateLookup) -> None:
    """The invited user proves with a signature that the room's `m.room.third_party_invite` was meant for them."""
    if membership_of(state, target) == "ban":
        raise AuthError("the user is banned")
    token = third_party_token(event.content)
    if token is None:
        raise AuthError("third_party_invite has no signed token")
    signed: dict[str, Any] = event.content["third_party_invite"]["signed"]
    if signed.get("mxid") != target:
        raise AuthError("the signed third-party invite is for another user")
    invite = state.get(("m.room.third_party_invite", token))
    if invite is None:
        raise AuthError("the room has no third-party invite with this token")
    if invite.sender != event.sender:
        raise AuthError("the third-party invite was made by another user")
    if not is_signed_by_any(signed, public_keys(invite.content)):
        raise AuthError("no key of the third-party invite has signed it")
