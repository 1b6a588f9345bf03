"""Identifiers: users, rooms, aliases, events and servers.

Spec: appendices, "Identifier Grammar". The `is_...` functions answer, and never raise, for any string.
"""

import re
from ipaddress import IPv6Address
from typing import Final

from ranvier.proto.limits import is_too_long

_LOCALPART: Final = r"[^:\0\ud800-\udfff]"
_SERVER_NAME: Final = r"(?:[0-9A-Za-z.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"

_server_name = re.compile(_SERVER_NAME).fullmatch
_user_id = re.compile(f"@{_LOCALPART}*:{_SERVER_NAME}").fullmatch
_room_alias = re.compile(f"#{_LOCALPART}+:{_SERVER_NAME}").fullmatch
_room_id = re.compile(f"!(?:{_LOCALPART}+:{_SERVER_NAME}|[0-9A-Za-z_-]{{43}})").fullmatch
_event_id = re.compile(r"\$[^\0\ud800-\udfff]+").fullmatch
_new_localpart = re.compile(r"[a-z0-9._=/+-]+").fullmatch
_visible_localpart = re.compile(r"[!-9;-~]+").fullmatch
_dotted_quad = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}").fullmatch


def domain_of(identifier: str) -> str:
    """The server name in a user id, an alias, or an id that has one; empty where there is none."""
    return identifier.partition(":")[2]


def localpart_of(identifier: str) -> str:
    """What stands between the sigil and the server name."""
    return identifier.partition(":")[0][1:]


def is_user_id(value: str) -> bool:
    """Whether this is a user id, in the historical grammar, which every server must accept."""
    return _user_id(value) is not None and not is_too_long(value) and _host_is_valid(domain_of(value))


def is_compliant_user_id(value: str) -> bool:
    """Whether this is a user id that may be shown to clients outside an event: neither empty nor invisible."""
    return is_user_id(value) and _visible_localpart(localpart_of(value)) is not None


def is_new_localpart(localpart: str) -> bool:
    """Whether an account with this localpart may be made now. The length of the whole id is checked elsewhere."""
    return _new_localpart(localpart) is not None


def is_new_user_id(value: str) -> bool:
    """Whether an account with this id may be made now."""
    return is_user_id(value) and is_new_localpart(localpart_of(value))


def is_room_id(value: str) -> bool:
    """Whether this is a room id of any room version."""
    if _room_id(value) is None or is_too_long(value):
        return False
    return ":" not in value or _host_is_valid(domain_of(value))


def is_room_alias(value: str) -> bool:
    """Whether this is a room alias."""
    return _room_alias(value) is not None and not is_too_long(value) and _host_is_valid(domain_of(value))


def is_event_id(value: str) -> bool:
    """Whether this could be an event id of some room version; they are opaque."""
    return _event_id(value) is not None and not is_too_long(value)


def is_server_name(value: str) -> bool:
    """Whether this is a server name: a DNS name or an IP literal, and perhaps a port."""
    return _server_name(value) is not None and not is_too_long(value) and _host_is_valid(value)


def split_server_name(server_name: str) -> tuple[str, int | None]:
    """`(host, port)` of a valid server name; the brackets of an IPv6 literal are left on the host."""
    host, colon, port = server_name.rpartition(":")
    if not colon or server_name.endswith("]"):
        return server_name, None
    return host, int(port)


def _host_is_valid(server_name: str) -> bool:
    """The parts of the grammar of server names that the patterns above do not express."""
    first = server_name[0]
    if first == "[":
        try:
            IPv6Address(server_name[1 : server_name.index("]")])
        except ValueError:
            return False
        return True
    if first in "0123456789":
        host = server_name.partition(":")[0]
        if _dotted_quad(host) is not None:
            return all(int(part) <= 255 for part in host.split("."))
    return True
