"""The signature on the token of a third-party invite.

Spec: room versions, "Authorisation rules", "If any signature in signed matches any public key"; appendices, "Checking
for a signature". The keys come from the room, not from a server, so it does not matter in whose name the signature is.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64


def public_keys(content: Mapping[str, Any]) -> list[bytes]:
    """The Ed25519 keys of an `m.room.third_party_invite` event; malformed ones are left out."""
    texts = [content.get("public_key")]
    entries = content.get("public_keys")
    if isinstance(entries, list):
        texts.extend(entry.get("public_key") for entry in entries if isinstance(entry, dict))
    return [key for text in texts if (key := _decode(text, _KEY_BYTES)) is not None]


def is_signed_by_any(signed: Mapping[str, Any], keys: list[bytes]) -> bool:
    """Whether one of the Ed25519 signatures of `signed` is by one of the keys."""
    try:
        message = orjson.dumps(
            {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")},
            option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER,
        )
    except orjson.JSONEncodeError:
        return False
    return any(_verifies(key, signature + message) for signature in _signatures(signed) for key in keys)


def _signatures(signed: Mapping[str, Any]) -> Iterator[bytes]:
    by_name = signed.get("signatures")
    for by_key_id in by_name.values() if isinstance(by_name, dict) else ():
        for key_id, text in by_key_id.items() if isinstance(by_key_id, dict) else ():
            signature = _decode(text, _SIGNATURE_BYTES) if key_id.startswith("ed25519:") else None
            if signature is not None:
                yield signature


def _verifies(key: bytes, signed_message: bytes) -> bool:
    try:
        crypto_sign_open(signed_message, key)
    except CryptoError:
        return False
    return True


def _decode(text: object, size_bytes: int) -> bytes | None:
    """Unpadded base64 in either alphabet, of exactly this many bytes."""
    if not isinstance(text, str):
        return None
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        value = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == size_bytes else None
