"""Spec: client-server API, "Forming relationships between events", "Threading", "Rich replies"."""

from typing import Any

import pytest

from ranvier.proto.relations import Relation, relation_in, relation_of, reply_target, thread_root
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.proto.signed_events import build

VERSION = ROOM_VERSIONS["11"]


def _content(relates_to: Any) -> dict[str, Any]:
    return {"m.relates_to": relates_to}


def test_relations() -> None:
    edit = {"rel_type": "m.replace", "event_id": "$parent"}
    assert relation_in(_content(edit)) == Relation("m.replace", "$parent", None)
    reaction = {"rel_type": "m.annotation", "event_id": "$parent", "key": "👍"}
    assert relation_of(build(VERSION, "m.reaction", _content(reaction))) == Relation("m.annotation", "$parent", "👍")
    assert relation_in(_content({**edit, "key": 5})) == Relation("m.replace", "$parent", None)


@pytest.mark.parametrize(
    "relates_to",
    [None, 5, [], {}, {"rel_type": "m.replace"}, {"event_id": "$x"}, {"rel_type": 1, "event_id": "$x"},
     {"rel_type": "m.replace", "event_id": None}, {"rel_type": "m.annotation", "event_id": "$x"}],
)  # fmt: skip
def test_what_has_not_the_shape_of_a_relation_is_none(relates_to: Any) -> None:
    assert relation_in(_content(relates_to)) is None
    event = build(VERSION, "m.room.message", _content(relates_to))
    assert thread_root(event) is None
    assert reply_target(event) is None
    assert relation_in({}) is None


def test_threads_and_replies() -> None:
    relates_to = {"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"}}
    event = build(VERSION, "m.room.message", _content(relates_to))
    assert thread_root(event) == "$root"
    assert reply_target(event) == "$last"
    plain = build(VERSION, "m.room.message", _content({"m.in_reply_to": {"event_id": "$one"}}))
    assert (thread_root(plain), reply_target(plain), relation_of(plain)) == (None, "$one", None)
    assert reply_target(build(VERSION, "m.room.message", _content({"m.in_reply_to": {"event_id": 5}}))) is None
