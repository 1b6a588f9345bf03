"""Adding our signature to an event that another server has made.

Spec: server-server API, `/send_join`, `/invite`; everything but the signatures stays as it is.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import signed_bytes
from ranvier.proto.signing import SigningKey, signatures_of


def countersign(event: Event, server_name: str, key: SigningKey) -> Event:
    """The event with our signature too. Raises `EventTooLarge` if it has no room for it."""
    pdu = event.pdu
    signature = {key.key_id: key.sign(signed_bytes(pdu, event.version))}
    return with_signatures(event, server_name, signature)


def take_signatures(event: Event, answered: object, server_name: str) -> Event:
    """The event with the signatures that `server_name` has on the same event in its answer.

    Raises `InvalidEvent` if there are none, or they make the event too large. Whether they are good is not checked.
    """
    found = signatures_of(answered, server_name) if isinstance(answered, dict) else {}
    if not found:
        raise InvalidEvent(f"{server_name} has not signed the event")
    return with_signatures(event, server_name, found)


def with_signatures(event: Event, server_name: str, signatures: Mapping[str, str]) -> Event:
    """The event with further signatures of a server. Raises `InvalidEvent`."""
    pdu = event.pdu
    by_server: dict[str, Any] = dict(pdu["signatures"])
    standing = by_server.get(server_name)
    by_server[server_name] = {**(standing if isinstance(standing, dict) else {}), **signatures}
    return parse_event({**pdu, "signatures": by_server}, event.version)
