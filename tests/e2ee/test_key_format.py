"""Uploads of nothing but plain keys are read by themselves: to the same effect as any other."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ranvier.e2ee.key_format import NamedKeys, UploadedKeys, parse_keys, parse_plain
from ranvier.proto.errors import MatrixError
from ranvier.store.one_time_keys import encode_key

_TEXT = st.text(max_size=8)
_OBJECTS = st.fixed_dictionaries(
    {"key": _TEXT, "signatures": st.dictionaries(_TEXT, st.dictionaries(_TEXT, _TEXT, max_size=3), max_size=3)},
    optional={"fallback": st.booleans()},
)
_NAMES = st.one_of(st.builds("{}:{}".format, st.sampled_from(["signed_curve25519", "other"]), _TEXT), _TEXT)


def outcome(parsed: Any) -> Any:
    """What would be stored, or the error."""
    try:
        found: UploadedKeys | None = parsed()
    except MatrixError as error:
        return error.errcode
    return found and (found.device_keys, *map(_encoded, (found.one_time, found.fallback)))


def _encoded(keys: NamedKeys) -> list[tuple[str, str, bytes]]:
    return [(algorithm, name, encode_key(key)) for algorithm, named in keys.items() for name, key in named.items()]


@given(st.dictionaries(_NAMES, _OBJECTS, max_size=5), st.dictionaries(_NAMES, _OBJECTS, max_size=2))
def test_plain_keys(one_time_keys: dict[str, Any], fallback_keys: dict[str, Any]) -> None:
    body = orjson.dumps({"one_time_keys": one_time_keys, "fallback_keys": fallback_keys}, option=orjson.OPT_INDENT_2)
    plain = outcome(lambda: parse_plain(body))
    assert plain is not None
    assert plain == outcome(
        lambda: parse_keys("@a:b", "D", device_keys=None, one_time_keys=one_time_keys, fallback_keys=fallback_keys)
    )


def test_what_is_not_plain_is_left_to_others() -> None:
    key: dict[str, Any] = {"key": "k", "signatures": {}}
    for body in (
        b"",
        b"[]",
        b'{"one_time_keys":{"a:b":{"key":"\xff","signatures":{}}}}',
        b'{"one_time_keys":{"a:b":{"key":"\\ud800","signatures":{}}}}',
        orjson.dumps({"one_time_keys": {"a:b": "k"}}),
        orjson.dumps({"one_time_keys": {"a:b": {**key, "n": 1}}}),
        orjson.dumps({"one_time_keys": {"a:b": key}, "device_keys": None}),
        orjson.dumps({"one_time_keys": {"a:b": key}, "org.matrix.msc2732.fallback_keys": {}}),
    ):
        assert parse_plain(body) is None, body
