"""Signatures of servers on JSON objects and on events.

Spec: appendices, "Signing JSON"; server-server API, "Signing Events". Ed25519 is the only algorithm; signatures of
others are ignored. Which keys a server had at which time is not decided here.
"""

from collections.abc import Mapping
from typing import Any, Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from ranvier.proto.canonical_json import NotCanonical, encode
from ranvier.proto.events import Event
from ranvier.proto.hashing import signed_bytes
from ranvier.proto.ids import domain_of
from ranvier.proto.unpadded_base64 import decode_base64, encode_base64

_SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32
_ALGORITHM: Final = "ed25519:"


class SignatureError(Exception):
    """Something is not signed as it should be; the text says why, for people."""


class SigningKey:
    """A private key. Its `repr` does not show it."""

    __slots__ = ("_secret_key", "key_id", "public_key")

    def __init__(self, key_id: str, seed: bytes) -> None:
        """`key_id` is for instance `ed25519:a_AbCd`; `seed` has 32 bytes."""
        self.key_id = key_id
        self.public_key, self._secret_key = crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> str:
        """The signature in unpadded base64."""
        return encode_base64(crypto_sign(message, self._secret_key)[:_SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def sign_json(value: Mapping[str, Any], server_name: str, key: SigningKey) -> dict[str, Any]:
    """A copy of the object with our signature added to those it has. Raises `NotCanonical`."""
    by_server = dict(value.get("signatures", {}))
    by_server[server_name] = {**by_server.get(server_name, {}), key.key_id: key.sign(_unsigned_bytes(value))}
    return {**value, "signatures": by_server}


def check_json(value: Mapping[str, Any], server_name: str, public_keys: Mapping[str, bytes]) -> None:
    """Whether the server has signed the object. `public_keys` are the server's by key id, valid for the purpose.

    At least one signature must be by a key that is known, and all such must be right. Raises `SignatureError`.
    """
    try:
        message = _unsigned_bytes(value)
    except NotCanonical as error:
        raise SignatureError(str(error)) from None
    check_signatures(message, signatures_of(value, server_name), public_keys, server_name)


def required_signers(event: Event) -> set[str]:
    """The servers without whose signature the event is dropped.

    None for an invitation by third-party identifier (others may send it; the auth rules check its token), except the
    server that names the event in room versions 1 and 2.
    """
    signers = set() if _is_third_party_invite(event) else {domain_of(event.sender)}
    if event.version.event_ids == "opaque":
        signers.add(domain_of(event.event_id))
    return signers


def authorising_server(event: Event) -> str | None:
    """The server whose signature the auth rules want on a join to a restricted room."""
    if not event.version.restricted_joins or event.type != "m.room.member" or event.membership != "join":
        return None
    authoriser = event.content.get("join_authorised_via_users_server")
    return domain_of(authoriser) if isinstance(authoriser, str) else None


def check_event(event: Event, server_name: str, public_keys: Mapping[str, bytes]) -> None:
    """Whether the server has signed the event. As `check_json`. Raises `SignatureError`."""
    signatures = signatures_of(event.pdu, server_name)
    check_signatures(signed_bytes(event.pdu, event.version), signatures, public_keys, server_name)


def signatures_of(value: Mapping[str, Any], server_name: str) -> dict[str, str]:
    """The Ed25519 signatures of one server by key id; others, and what is malformed, are left out."""
    return signatures_by(value.get("signatures"), server_name)


def signatures_by(by_server: object, server_name: str) -> dict[str, str]:
    """The same of the value of `signatures`."""
    by_key_id = by_server.get(server_name) if isinstance(by_server, dict) else None
    if not isinstance(by_key_id, dict):
        return {}
    return {
        key_id: signature
        for key_id, signature in by_key_id.items()
        if key_id.startswith(_ALGORITHM) and isinstance(signature, str)
    }


def check_signatures(
    message: bytes, signatures: Mapping[str, str], public_keys: Mapping[str, bytes], server_name: str
) -> None:
    """Check signatures by key id on a message, of those keys that are known. Releases the GIL for most of its time.

    Raises `SignatureError` if there is none, or one is wrong; `server_name` is for the message only.
    """
    if not signatures:
        raise SignatureError(f"Not signed by {server_name}")
    known = [(key_id, public_keys[key_id]) for key_id in signatures if key_id in public_keys]
    if not known:
        raise SignatureError(f"Not signed by {server_name} with a key that is known")
    for key_id, public_key in known:
        if not is_signature(message, signatures[key_id], public_key):
            raise SignatureError(f"Signature of {server_name} with {key_id} is wrong")


def is_signature(message: bytes, signature: str, public_key: bytes) -> bool:
    """Whether this is the signature, in base64, of the message by the key."""
    raw = decode_base64(signature)
    if raw is None or len(raw) != _SIGNATURE_BYTES or len(public_key) != _KEY_BYTES:
        return False
    try:
        crypto_sign_open(raw + message, public_key)
    except CryptoError:
        return False
    return True


def _unsigned_bytes(value: Mapping[str, Any]) -> bytes:
    bare = {key: item for key, item in value.items() if key not in ("signatures", "unsigned")}
    return encode(bare)


def _is_third_party_invite(event: Event) -> bool:
    return (
        event.type == "m.room.member"
        and event.membership == "invite"
        and isinstance(event.content.get("third_party_invite"), dict)
    )
