"""Auth event selection: which entries of the room's state give a sender the permission to send an event.

Spec: server-server API, "Auth events selection".
"""

from collections.abc import Mapping
from typing import Any

from ranvier.proto.auth.state import CREATE, JOIN_RULES, POWER_LEVELS
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import RoomVersion


def auth_types_for(
    version: RoomVersion, type: str, sender: str, state_key: str | None, content: Mapping[str, Any]
) -> tuple[StateKey, ...]:
    """The state entries to cite in `auth_events`, those of them that exist; without duplicates, in a stable order.

    Room versions with domainless room ids never select the create event: the room id implies it.
    """
    if type == "m.room.create":
        return ()
    member = ("m.room.member", sender)
    start = (POWER_LEVELS, member) if version.domainless_room_ids else (CREATE, POWER_LEVELS, member)
    if type != "m.room.member" or state_key is None:
        return start
    if (
        sender == state_key
        and content.get("membership") == "join"
        and "join_authorised_via_users_server" not in content
    ):
        return (*start, JOIN_RULES)  # As nearly always.
    more = _member_types(version, sender, state_key, content)
    return start + tuple(key for key in more if key != member)


def auth_types_of(event: Event) -> tuple[StateKey, ...]:
    """`auth_types_for` of an existing event."""
    return auth_types_for(event.version, event.type, event.sender, event.state_key, event.content)


def _member_types(version: RoomVersion, sender: str, target: str, content: Mapping[str, Any]) -> list[StateKey]:
    keys: list[StateKey] = [("m.room.member", target)]
    membership = content.get("membership")
    if membership in ("join", "invite", "knock"):
        keys.append(JOIN_RULES)
    if membership == "invite":
        token = third_party_token(content)
        if token is not None:
            keys.append(("m.room.third_party_invite", token))
    if membership == "join" and version.restricted_joins:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str) and authoriser != target:
            keys.append(("m.room.member", authoriser))
    return keys


def third_party_token(content: Mapping[str, Any]) -> str | None:
    """`third_party_invite.signed.token` of a member event's content, if it is there and a string."""
    invite = content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, dict) else None
    token = signed.get("token") if isinstance(signed, dict) else None
    return token if isinstance(token, str) else None
