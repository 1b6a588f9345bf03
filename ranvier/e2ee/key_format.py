"""What keys of devices must look like: pure checks of uploaded JSON.

Spec: client-server API, "Key algorithms", "Device keys", "One-time and fallback keys". Whether a key's signatures are
right is for those who use the key; a server can only spare them what nobody could use.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.proto.canonical_json import NotCanonical, encode, encode_checked
from ranvier.proto.errors import MatrixError, bad_json, invalid_param
from ranvier.store.one_time_keys import Key, encode_key
from ranvier.users.text import is_storable

MAX_NAME_LENGTH: Final = 255
MAX_KEY_BYTES: Final = 65_536


class _DeviceKeys(msgspec.Struct):
    user_id: str
    device_id: str
    algorithms: list[str]
    keys: dict[str, str]
    signatures: dict[str, dict[str, str]]


class _KeyObject(msgspec.Struct):
    key: str
    signatures: dict[str, dict[str, str]]
    fallback: bool | UnsetType = UNSET


class _PlainKeyObject(_KeyObject, forbid_unknown_fields=True):
    """What most keys are."""


class _PlainUpload(msgspec.Struct, forbid_unknown_fields=True):
    """What most uploads are: nothing in them can be a float, or nested deeply."""

    one_time_keys: dict[str, _PlainKeyObject]
    fallback_keys: dict[str, _PlainKeyObject] = {}


_ENCODED: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PLAIN: Final = msgspec.json.Decoder(_PlainUpload)


NamedKeys = dict[str, dict[str, Key]]
"""One-time or fallback keys, by algorithm and key id, in the order of the upload."""


@dataclass(frozen=True, slots=True)
class UploadedKeys:
    """Keys that have passed the checks."""

    device_keys: bytes | None = None
    """Canonical JSON."""
    one_time: NamedKeys = field(default_factory=dict)
    fallback: NamedKeys = field(default_factory=dict)
    """One of each algorithm."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return self.device_keys is None and not self.one_time and not self.fallback


def parse_keys(
    user_id: str,
    device_id: str,
    *,
    device_keys: Mapping[str, Any] | None,
    one_time_keys: Mapping[str, Any] | None,
    fallback_keys: Mapping[str, Any] | None,
) -> UploadedKeys:
    """The keys of one device of one user. Raises 400 `M_BAD_JSON` or `M_INVALID_PARAM`, 413 `M_TOO_LARGE`."""
    return UploadedKeys(
        None if device_keys is None else _device_keys(device_keys, user_id, device_id),
        _named_keys(one_time_keys or {}, "one_time_keys"),
        _one_of_each(_named_keys(fallback_keys or {}, "fallback_keys")),
    )


def parse_plain(body: bytes) -> UploadedKeys | None:
    """The body of an upload with nothing but signed one-time and fallback keys, read once and in one go.

    `None` if there is anything else in it, or anything wrong with its form. Raises as `parse_keys`.
    """
    try:
        upload = _PLAIN.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    # Fields and members in order and nothing but strings in them: that is canonical.
    if len(body) > MAX_KEY_BYTES:
        for where, keys in (("one_time_keys", upload.one_time_keys), ("fallback_keys", upload.fallback_keys)):
            for key in keys.values():
                _small(encode_key(key), where)
    return UploadedKeys(
        None,
        _named(upload.one_time_keys, "one_time_keys"),
        _one_of_each(_named(upload.fallback_keys, "fallback_keys")),
    )


def canonical(value: Any, name: str) -> bytes:
    """Canonical JSON of a key. Raises 400 `M_BAD_JSON`, 413 `M_TOO_LARGE`."""
    try:
        encoded = encode(value)
    except NotCanonical as error:
        raise bad_json(f"{name}: {error}") from None
    return _small(encoded, name)


def _device_keys(value: Mapping[str, Any], user_id: str, device_id: str) -> bytes:
    try:
        keys = msgspec.convert(value, _DeviceKeys)
    except msgspec.ValidationError as error:
        raise bad_json(f"device_keys: {error}") from None
    if keys.user_id != user_id:
        raise invalid_param("device_keys.user_id is not the user who uploads")
    if keys.device_id != device_id:
        raise invalid_param("device_keys.device_id is not the device that uploads")
    for name in keys.keys:
        algorithm, colon, key_id = name.partition(":")
        if not algorithm or not colon or key_id != device_id:
            raise invalid_param("device_keys.keys: the names must be an algorithm, a colon and the device id")
    return canonical({key: item for key, item in value.items() if key != "unsigned"}, "device_keys")


def _named_keys(values: Mapping[str, Any], where: str) -> NamedKeys:
    """What is alike for all of them is done for all at once: the checks of their form, and their encoding."""
    if not values:
        return {}
    try:
        if not _is_plain(values):
            msgspec.convert(values, dict[str, str | _KeyObject])
            encode(values)
        encoded = _ENCODED.decode(encode_checked(values))
    except (msgspec.ValidationError, NotCanonical) as error:
        raise bad_json(f"{where}: {error}") from None
    for key in encoded.values():
        _small(encode_key(key), where)
    return _named({name: encoded[name] for name in values}, where)


def _named(keys: Mapping[str, Key], where: str) -> NamedKeys:
    if not keys:
        return {}
    _check_names(keys, where)
    named: NamedKeys = {}
    for name, key in keys.items():
        algorithm, _, key_id = name.partition(":")
        if not algorithm or not key_id:
            raise _bad_name(where)
        if algorithm in named:
            named[algorithm][key_id] = key
        else:
            named[algorithm] = {key_id: key}
    return named


def _one_of_each(keys: NamedKeys) -> NamedKeys:
    if any(len(by_id) > 1 for by_id in keys.values()):
        raise invalid_param("fallback_keys: one key of each algorithm at most")
    return keys


def _is_plain(values: Mapping[str, Any]) -> bool:
    """Whether there is nothing in them but what the spec names, so that nothing in them can be a float."""
    try:
        msgspec.convert(values, dict[str, str | _PlainKeyObject])
    except msgspec.ValidationError:
        return False
    return True


def _check_names(names: Collection[str], where: str) -> None:
    if len(max(names, key=len)) > MAX_NAME_LENGTH or not is_storable("".join(names)):
        raise _bad_name(where)


def _bad_name(where: str) -> MatrixError:
    return invalid_param(f"{where}: the names must be an algorithm, a colon and an id")


def _small(encoded: bytes, name: str) -> bytes:
    if len(encoded) > MAX_KEY_BYTES:
        raise MatrixError(413, "M_TOO_LARGE", f"{name} is too large")
    return encoded
