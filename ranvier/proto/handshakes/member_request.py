"""What a resident server asks of a member event that another server hands in.

Spec: server-server API, `/send_join`, `/send_knock`, `/send_leave`, `/invite`: the validations whose error should be
`M_INVALID_PARAM`. Signatures are checked elsewhere.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.proto.errors import MatrixError, bad_json, invalid_param
from ranvier.proto.event_format import EventTooLarge, InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash_matches
from ranvier.proto.ids import domain_of, is_room_id
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion


def read_member_request(
    pdu: Mapping[str, Any], version: RoomVersion, *, room_id: str, event_id: str, membership: str, origin: str
) -> Event:
    """The event in the body of a request to `.../{room_id}/{event_id}` by the server `origin`.

    `unsigned` is left out. Raises 400 `M_BAD_JSON` or 413 `M_TOO_LARGE` if it is no event, else 400 `M_INVALID_PARAM`.
    """
    try:
        event = parse_event({key: value for key, value in pdu.items() if key != "unsigned"}, version)
    except EventTooLarge as error:
        raise MatrixError(413, "M_TOO_LARGE", str(error)) from error
    except InvalidEvent as error:
        raise bad_json(str(error)) from error
    if event.type != "m.room.member":
        raise invalid_param("type: not m.room.member")
    if event.membership != membership:
        raise invalid_param(f"content.membership: not {membership}")
    if domain_of(event.sender) != origin:
        raise invalid_param("sender: not a user of the server that asks")
    if event.room_id != room_id or not is_room_id(room_id):
        raise invalid_param("room_id: not the room of the path")
    if event.event_id != event_id:
        raise invalid_param("The event has not the id of the path")
    if not content_hash_matches(event.pdu, version):
        raise invalid_param("hashes: not those of the event")
    return event


def check_own_membership(event: Event) -> None:
    """Whether the event is about its sender. Raises 400 `M_INVALID_PARAM`."""
    if event.state_key != event.sender:
        raise invalid_param("state_key: not the sender")


def check_offered_versions(version: RoomVersion, offered: list[str]) -> None:
    """Whether the other server knows the room's version; without a list it knows version 1.

    Raises 400 `M_INCOMPATIBLE_ROOM_VERSION`.
    """
    if version.identifier not in (offered or ["1"]):
        raise incompatible(version.identifier, "Your server does not know the version of this room")


def known_version(name: str) -> RoomVersion:
    """The version that another server says a room has. Raises 400 `M_INCOMPATIBLE_ROOM_VERSION`."""
    version = ROOM_VERSIONS.get(name)
    if version is None:
        raise incompatible(name, "This server does not know the version of this room")
    return version


def incompatible(name: str, error: str) -> MatrixError:
    """400 `M_INCOMPATIBLE_ROOM_VERSION`."""
    return MatrixError(400, "M_INCOMPATIBLE_ROOM_VERSION", error, extra={"room_version": name})
