"""State resolution of room version 1."""

from hashlib import sha1

from ranvier.proto.auth.state import JOIN_RULES, POWER_LEVELS
from tests.proto.dag import ALICE, BOB, CAROL, DAVE, Dag

TOPIC = ("m.room.topic", "")


def room() -> Dag:
    dag = Dag("1")
    dag.begin(users={BOB: 50})
    dag.member("bob", BOB, "join", after=["rule"])
    dag.member("carol", CAROL, "join", after=["bob"])
    return dag


def test_an_entry_that_only_one_branch_has_is_kept() -> None:
    dag = room()
    dag.topic("topic", ALICE, after=["carol"])
    dag.member("dave", DAVE, "join", after=["carol"])
    state = dag.merge("topic", "dave")
    assert state[TOPIC] == "topic"
    assert state["m.room.member", DAVE] == "dave"


def test_of_other_entries_the_deepest_stands() -> None:
    dag = room()
    dag.topic("shallow", ALICE, after=["carol"], ts=9000)
    dag.send("message", BOB, "m.room.message", {}, after=["carol"])
    dag.topic("deep", BOB, after=["message"], ts=2000)
    assert dag.merge("shallow", "deep")[TOPIC] == "deep"


def test_at_equal_depth_the_lowest_digest_stands() -> None:
    dag = room()
    names = ["a", "b", "c", "d"]
    for name in names:
        dag.topic(name, ALICE, after=["carol"])
    lowest = min(names, key=lambda name: sha1(f"${name}".encode(), usedforsecurity=False).hexdigest())
    assert dag.merge(*names)[TOPIC] == lowest


def test_power_levels_move_on_as_far_as_each_change_is_allowed() -> None:
    dag = room()
    dag.levels("shallow", ALICE, {ALICE: 100}, after=["carol"])
    dag.send("message", BOB, "m.room.message", {}, after=["carol"])
    dag.levels("deep", BOB, {ALICE: 100, BOB: 50, CAROL: 50}, after=["message"])
    # On top of `shallow` Bob has no power left.
    assert dag.merge("shallow", "deep")[POWER_LEVELS] == "shallow"
    dag.levels("deeper", ALICE, {ALICE: 100, CAROL: 10}, after=["message"])
    assert dag.merge("shallow", "deeper")[POWER_LEVELS] == "deeper"


def test_others_are_judged_by_the_power_levels_resolved_before() -> None:
    dag = room()
    dag.levels("demotion", ALICE, {ALICE: 100}, after=["carol"])
    dag.topic("alices", ALICE, after=["demotion"])
    dag.levels("promotion", ALICE, {ALICE: 100, CAROL: 50}, after=["alices"])
    dag.send("message", BOB, "m.room.message", {}, after=["carol"])
    dag.send("message2", BOB, "m.room.message", {}, after=["message"])
    dag.send("message3", BOB, "m.room.message", {}, after=["message2"])
    dag.topic("bobs", BOB, after=["message3"])
    state = dag.merge("promotion", "bobs")
    assert state[POWER_LEVELS] == "promotion"
    assert state[TOPIC] == "alices"


def test_join_rules_are_resolved_before_members() -> None:
    dag = room()
    dag.send("closed", ALICE, "m.room.join_rules", {"join_rule": "invite"}, key="", after=["carol"])
    dag.send("closed2", ALICE, "m.room.join_rules", {"join_rule": "invite", "n": 2}, key="", after=["closed"])
    dag.member("dave_left", DAVE, "leave", by=ALICE, after=["closed2"], unchecked=True)
    dag.send("open", ALICE, "m.room.join_rules", {"join_rule": "public"}, key="", after=["carol"])
    dag.send("message", BOB, "m.room.message", {}, after=["open"])
    dag.send("message2", BOB, "m.room.message", {}, after=["message"])
    dag.member("dave", DAVE, "join", after=["message2"])
    state = dag.merge("dave_left", "dave")
    assert state[JOIN_RULES] == "closed2"
    assert state["m.room.member", DAVE] == "dave_left"


def test_a_ban_stands_against_a_shallower_join() -> None:
    dag = room()
    dag.member("renamed", CAROL, "join", after=["carol"])
    dag.send("message", BOB, "m.room.message", {}, after=["carol"])
    dag.member("ban", CAROL, "ban", by=BOB, after=["message"])
    assert dag.merge("renamed", "ban")["m.room.member", CAROL] == "ban"
