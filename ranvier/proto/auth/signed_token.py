"""The signature on the token of a third-party invite.

Spec: room versions, "Authorisation rules", "If any signature in signed matches any public key"; appendices, "Checking
for a signature". The keys come from the room, not from a server, so it does not matter in whose name the signature is.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ranvier.proto.canonical_json import NotCanonical, encode
from ranvier.proto.signing import is_signature
from ranvier.proto.unpadded_base64 import decode_base64

_KEY_BYTES: Final = 32


def public_keys(content: Mapping[str, Any]) -> list[bytes]:
    """The Ed25519 keys of an `m.room.third_party_invite` event; malformed ones are left out."""
    texts = [content.get("public_key")]
    entries = content.get("public_keys")
    if isinstance(entries, list):
        texts.extend(entry.get("public_key") for entry in entries if isinstance(entry, dict))
    return [key for text in texts if (key := decode_base64(text)) is not None and len(key) == _KEY_BYTES]


def is_signed_by_any(signed: Mapping[str, Any], keys: list[bytes]) -> bool:
    """Whether one of the Ed25519 signatures of `signed` is by one of the keys."""
    try:
        message = encode({key: value for key, value in signed.items() if key not in ("signatures", "unsigned")})
    except NotCanonical:
        return False
    return any(is_signature(message, signature, key) for signature in _signatures(signed) for key in keys)


def _signatures(signed: Mapping[str, Any]) -> Iterator[str]:
    """The Ed25519 signatures, whoever made them."""
    by_name = signed.get("signatures")
    for by_key_id in by_name.values() if isinstance(by_name, dict) else ():
        for key_id, signature in by_key_id.items() if isinstance(by_key_id, dict) else ():
            if key_id.startswith("ed25519:") and isinstance(signature, str):
                yield signature
