"""The list of keys that a server publishes.

Spec: server-server API, "Retrieving server keys" (schema "Server Keys"); appendices, "Signing Details".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.canonical_json import NotCanonical, encode
from ranvier.proto.limits import MAX_STRICT_INTEGER
from ranvier.proto.signing import SignatureError, SigningKey, check_json, sign_json
from ranvier.proto.unpadded_base64 import decode_base64, encode_base64

MAX_KEYS: Final = 100
"""Of one list; a server needs one, and a few that it used before."""
LONGEST_VALIDITY_MS: Final = 7 * 24 * 3600 * 1000
"""What a list says of a later time is not believed (so that a stolen key is not valid for ever)."""
_KEY_BYTES: Final = 32
_key_id = re.compile(r"ed25519:[A-Za-z0-9_]{1,128}").fullmatch


class InvalidKeyDocument(ValueError):
    """Not the keys of that server; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class OldKey:
    """A key that its server does not use any more."""

    public_key: bytes
    expired_ts: int
    """When it was used last."""


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """The keys of a server by key id, as it has published and signed them."""

    server_name: str
    verify_keys: Mapping[str, bytes]
    old_verify_keys: Mapping[str, OldKey]
    valid_until_ts: int
    json: bytes
    """Canonical JSON, with the signatures of the server itself only."""


def is_key_id(value: str) -> bool:
    """Whether this can be the id of an Ed25519 key."""
    return _key_id(value) is not None


def read_key_document(value: object, server_name: str) -> KeyDocument:
    """The keys in an answer that is said to be `server_name`'s, wherever it was had from.

    Keys of other algorithms are left out. Raises `InvalidKeyDocument`: of another server, not signed by itself, no key.
    """
    if not isinstance(value, dict) or value.get("server_name") != server_name:
        raise InvalidKeyDocument(f"not the keys of {server_name}")
    valid_until_ts = _timestamp(value.get("valid_until_ts"))
    if valid_until_ts is None:
        raise InvalidKeyDocument("valid_until_ts: not a timestamp")
    keys = _verify_keys(value.get("verify_keys"))
    if not keys:
        raise InvalidKeyDocument("verify_keys: no key that is known here")
    try:
        check_json(value, server_name, keys)
        signatures = {server_name: value["signatures"][server_name]}
        json = encode({**{key: item for key, item in value.items() if key != "unsigned"}, "signatures": signatures})
    except (SignatureError, NotCanonical) as error:
        raise InvalidKeyDocument(str(error)) from None
    old = {key_id: key for key_id, key in _old_verify_keys(value.get("old_verify_keys")).items() if key_id not in keys}
    return KeyDocument(server_name, keys, old, valid_until_ts, json)


def write_key_document(
    *,
    server_name: str,
    keys: Sequence[SigningKey],
    old_keys: Mapping[str, OldKey],
    valid_until_ts: int,
) -> dict[str, Any]:
    """Our own list, signed with each of `keys`."""
    document: dict[str, Any] = {
        "server_name": server_name,
        "verify_keys": {key.key_id: {"key": encode_base64(key.public_key)} for key in keys},
        "old_verify_keys": {
            key_id: {"key": encode_base64(key.public_key), "expired_ts": key.expired_ts}
            for key_id, key in old_keys.items()
        },
        "valid_until_ts": valid_until_ts,
    }
    for key in keys:
        document = sign_json(document, server_name, key)
    return document


def _verify_keys(value: object) -> dict[str, bytes]:
    found = {}
    for key_id, entry in _entries(value, "verify_keys"):
        public_key = decode_base64(entry.get("key"))
        if public_key is not None and len(public_key) == _KEY_BYTES:
            found[key_id] = public_key
    return found


def _old_verify_keys(value: object) -> dict[str, OldKey]:
    found = {}
    for key_id, entry in _entries({} if value is None else value, "old_verify_keys"):
        public_key, expired_ts = decode_base64(entry.get("key")), _timestamp(entry.get("expired_ts"))
        if public_key is not None and len(public_key) == _KEY_BYTES and expired_ts is not None:
            found[key_id] = OldKey(public_key, expired_ts)
    return found


def _entries(value: object, name: str) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(value, dict):
        raise InvalidKeyDocument(f"{name}: not an object")
    if len(value) > MAX_KEYS:
        raise InvalidKeyDocument(f"{name}: too many keys")
    return [(key_id, entry) for key_id, entry in value.items() if is_key_id(key_id) and isinstance(entry, dict)]


def _timestamp(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_STRICT_INTEGER:
        return value
    return None
