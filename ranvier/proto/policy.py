"""Policy servers: what a room's state says of one, and its signatures on events.

Spec: server-server API, "Policy Servers".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ranvier.proto.canonical_json import NotCanonical
from ranvier.proto.events import Event, StateKey
from ranvier.proto.hashing import signed_bytes
from ranvier.proto.ids import is_server_name
from ranvier.proto.signing import is_signature, signatures_of
from ranvier.proto.unpadded_base64 import decode_base64

POLICY: Final[StateKey] = ("m.room.policy", "")
KEY_ID: Final = "ed25519:policy_server"
"""Of the key in the room's state, whatever other keys the server has."""


@dataclass(frozen=True, slots=True)
class PolicyServer:
    """Who has to sign the events of a room."""

    server_name: str
    public_key: bytes
    """Empty if what the room says is no key: then nothing is signed well."""


def policy_server(content: Mapping[str, object]) -> PolicyServer | None:
    """The one that the content of `m.room.policy` names; `None` if it is not valid."""
    via, keys = content.get("via"), content.get("public_keys")
    key = keys.get("ed25519") if isinstance(keys, dict) else None
    if not isinstance(via, str) or not is_server_name(via) or not isinstance(key, str):
        return None
    return PolicyServer(via, decode_base64(key) or b"")


def is_policed(event: Event) -> bool:
    """Whether a policy server has a say: about everything but the state entry that names it."""
    return event.key != POLICY


def has_policy_signature(event: Event, server: PolicyServer) -> bool:
    """Whether the policy server has signed the event with the key that the room knows. One encoding."""
    pdu = event.pdu
    signature = signatures_of(pdu, server.server_name).get(KEY_ID)
    if signature is None:
        return False
    try:
        return is_signature(signed_bytes(pdu, event.version), signature, server.public_key)
    except NotCanonical:
        return False
