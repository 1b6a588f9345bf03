"""The authorisation rule of `m.room.create`.

Spec: room versions, "Authorisation rules", rule 1.
"""

from ranvier.proto.auth.error import AuthError
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.proto.room_versions import ROOM_VERSIONS


def check_create(event: Event) -> None:
    """Whether this event may begin a room."""
    version = event.version
    if event.prev_events:
        raise AuthError("a create event has no prev_events")
    if version.domainless_room_ids:
        if "room_id" in event.pdu:
            raise AuthError("a create event of this room version has no room_id")
    elif domain_of(event.room_id) != domain_of(event.sender):
        raise AuthError("the room id is of another server than the sender")
    # Present and null is present; an unhashable value is not a version either.
    wanted = event.content.get("room_version", "1")
    if not isinstance(wanted, str) or wanted not in ROOM_VERSIONS:
        raise AuthError("the room version is unknown")
    if version.creator_in_content and "creator" not in event.content:
        raise AuthError("a create event of this room version names its creator")
    if version.privileged_creators and not _are_user_ids(event.content.get("additional_creators", [])):
        raise AuthError("additional_creators is not a list of user ids")


def _are_user_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) and is_user_id(entry) for entry in value)
