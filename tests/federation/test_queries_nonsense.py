"""Whatever other servers answer, nothing breaks."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.api.client.room_summary_json import summarised_room
from ranvier.federation.told_rooms import told_room, told_space
from ranvier.http.response import encode_json
from ranvier.proto.space_children import space_children
from ranvier.proto.told_keys import (
    public_key_of,
    told_device_keys,
    told_master_key,
    told_one_time_key,
    told_self_signing_key,
)
from tests.federation.test_queries_asking import cross_signing, device

BOB = "@bob:remote.test"
NAMES = st.sampled_from([
    "user_id", "device_id", "keys", "algorithms", "signatures", "usage", "unsigned", "key", BOB, "B", "ed25519:B",
    "room", "room_id", "children", "children_state", "inaccessible_children", "allowed_room_ids", "content", "via",
    "state_key", "sender", "type", "origin_server_ts", "num_joined_members", "join_rule", "device_display_name",
])  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([BOB, "B", "!a:b", "master"])
)
JSON = st.recursive(LEAVES, lambda values: st.lists(values) | st.dictionaries(NAMES | st.text(), values), max_leaves=25)


def replaced(value: Any, path: list[int], by: Any) -> Any:
    """The value with something in it replaced."""
    if not path or not isinstance(value, dict | list) or not value:
        return by
    if isinstance(value, list):
        place = path[0] % len(value)
        return [replaced(item, path[1:], by) if index == place else item for index, item in enumerate(value)]
    name = sorted(value)[path[0] % len(value)]
    return {**value, name: replaced(value[name], path[1:], by)}


@settings(max_examples=60)
@given(JSON)
def test_keys(value: object) -> None:
    told_device_keys(value, BOB, "B")
    told_master_key(value, BOB)
    told_self_signing_key(value, BOB, value)
    told_one_time_key("signed_curve25519:1", value, "signed_curve25519")


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), JSON)
def test_nearly_right_keys(path: list[int], by: object) -> None:
    right = device(BOB, "B")
    changed = replaced(right, path, by)
    told = told_device_keys(changed, BOB, "B")
    if told is not None:
        kept = {name: value for name, value in orjson.loads(told).items() if name not in ("signatures", "unsigned")}
        assert kept == {name: value for name, value in right.items() if name != "signatures"}
    master = cross_signing(BOB, "master", 1)
    public_key_of(replaced(master, path, by), BOB, "master")
    signing = cross_signing(BOB, "self_signing", 2, signer=1)
    told_self_signing_key(replaced(signing, path, by), BOB, master)
    told_self_signing_key(signing, BOB, replaced(master, path, by))


@settings(max_examples=60)
@given(JSON)
def test_rooms(value: object) -> None:
    for room in (told_room(value), told_room({"room_id": "!a:b", "allowed_room_ids": value, "name": value})):
        if room is not None:
            encode_json(summarised_room(room))
    space = told_space({"room": {"room_id": "!a:b", "children_state": value}, "children": value}, "!a:b")
    assert space is not None
    encode_json(summarised_room(space.room, children=space_children(space.children_state)))
    told_space(value, "!a:b")
