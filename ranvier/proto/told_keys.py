"""Keys that another server tells of its users: what is not what it should be is left out.

Spec: client-server API, "Device keys", "Cross-signing", "Key and signature security"; server-server API, "End-to-End
Encryption". Clients check again and know more; but nobody here is bothered with what cannot be right.
"""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.proto.canonical_json import NotCanonical, encode
from ranvier.proto.signing import is_signature
from ranvier.proto.unpadded_base64 import decode_base64

_ED25519: Final = "ed25519:"


def told_device_keys(value: object, user_id: str, device_id: str) -> bytes | None:
    """The `DeviceKeys` of this device, as JSON, if the device has signed them itself; else `None`.

    Of `unsigned` nothing but the device's name is left.
    """
    if not isinstance(value, dict) or (value.get("user_id"), value.get("device_id")) != (user_id, device_id):
        return None
    keys, algorithms = value.get("keys"), value.get("algorithms")
    if not isinstance(keys, dict) or not isinstance(algorithms, list):
        return None
    if not all(isinstance(text, str) for text in (*keys.values(), *algorithms)):
        return None
    signing_key = f"{_ED25519}{device_id}"
    if not _is_signed(value, user_id, signing_key, keys.get(signing_key)):
        return None
    told = {name: item for name, item in value.items() if name != "unsigned"}
    display_name = _member(value.get("unsigned"), "device_display_name")
    if isinstance(display_name, str):
        told["unsigned"] = {"device_display_name": display_name}
    return _encoded(told)


def told_master_key(value: object, user_id: str) -> bytes | None:
    """The master key, as JSON; `None` for anything else."""
    return None if public_key_of(value, user_id, "master") is None else _encoded(value)


def told_self_signing_key(value: object, user_id: str, master: object) -> bytes | None:
    """The self-signing key, as JSON, if the user's `master` key has signed it; else `None`."""
    master_key = public_key_of(master, user_id, "master")
    if master_key is None or public_key_of(value, user_id, "self_signing") is None or not isinstance(value, dict):
        return None
    if not _is_signed(value, user_id, f"{_ED25519}{master_key}", master_key):
        return None
    return _encoded(value)


def public_key_of(value: object, user_id: str, usage: str) -> str | None:
    """The public key of a user's `CrossSigningKey` for this usage; `None` if it is none."""
    if not isinstance(value, dict) or value.get("user_id") != user_id:
        return None
    usages, keys = value.get("usage"), value.get("keys")
    if not isinstance(usages, list) or usage not in usages or not isinstance(keys, dict) or len(keys) != 1:
        return None
    ((name, key),) = keys.items()
    return key if isinstance(key, str) and name == f"{_ED25519}{key}" else None


def told_one_time_key(name: str, value: object, algorithm: str) -> bytes | None:
    """A one-time or fallback key of this algorithm, as JSON; `None` for anything else."""
    told, _, key_id = name.partition(":")
    if told != algorithm or not key_id:
        return None
    if isinstance(value, dict):
        if not isinstance(value.get("key"), str) or not isinstance(value.get("signatures"), dict):
            return None
    elif not isinstance(value, str):
        return None
    return _encoded(value)


def _is_signed(value: Mapping[str, Any], user_id: str, key_id: str, public_key: object) -> bool:
    signature = _member(_member(value.get("signatures"), user_id), key_id)
    raw_key = decode_base64(public_key)
    if raw_key is None or not isinstance(signature, str):
        return False
    message = _encoded({name: item for name, item in value.items() if name not in ("signatures", "unsigned")})
    return message is not None and is_signature(message, signature, raw_key)


def _encoded(value: object) -> bytes | None:
    try:
        return encode(value)
    except NotCanonical:
        return None


def _member(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
