"""State resolution of room versions 2 to 12 where branches of a history meet."""

import pytest

from ranvier.proto.auth.state import JOIN_RULES, POWER_LEVELS
from ranvier.proto.resolution.in_memory import resolve_in_memory
from tests.proto.dag import ALICE, BOB, CAROL, DAVE, Dag

TOPIC = ("m.room.topic", "")
VERSIONS = ["2", "3", "6", "10", "11", "12"]


@pytest.fixture(params=VERSIONS)
def dag(request: pytest.FixtureRequest) -> Dag:
    """A room of Alice's with Bob, a moderator, and Carol."""
    return room(request.param)


def room(version: str) -> Dag:
    made = Dag(version)
    made.begin(users={BOB: 50})
    made.member("bob", BOB, "join", after=["rule"])
    made.member("carol", CAROL, "join", after=["bob"])
    return made


def test_one_branch_is_its_own_resolution(dag: Dag) -> None:
    assert dag.before(["carol"]) == dag.after["$carol"]
    assert dag.before(["carol", "carol"]) == dag.after["$carol"]


def test_changes_of_different_entries_are_all_kept(dag: Dag) -> None:
    dag.topic("topic", ALICE, after=["carol"])
    dag.member("dave", DAVE, "join", after=["carol"])
    state = dag.merge("topic", "dave")
    assert state[TOPIC] == "topic"
    assert state["m.room.member", DAVE] == "dave"


def test_the_later_of_two_names_stands(dag: Dag) -> None:
    # The graph in the server-server API, "Room State Resolution".
    name = ("m.room.name", "")
    dag.send("E2", ALICE, "m.room.message", {}, after=["carol"])
    dag.send("E3", ALICE, "m.room.name", {"name": "three"}, key="", after=["E2"], ts=3000)
    dag.send("E4", BOB, "m.room.name", {"name": "four"}, key="", after=["carol"], ts=2000)
    assert dag.merge("E3", "E4")[name] == "E3"


def test_equal_times_are_decided_by_event_id(dag: Dag) -> None:
    dag.topic("x", ALICE, after=["carol"], ts=5000)
    dag.topic("y", BOB, after=["carol"], ts=5000)
    assert dag.merge("x", "y")[TOPIC] == "y"


def test_a_topic_on_newer_power_levels_beats_a_later_one_on_older_levels(dag: Dag) -> None:
    dag.levels("levels2", ALICE, _levels(dag, {BOB: 50, CAROL: 50}), after=["carol"], ts=2000)
    dag.topic("newer_levels", CAROL, after=["levels2"], ts=3000)
    dag.topic("older_levels", BOB, after=["carol"], ts=9000)
    assert dag.merge("newer_levels", "older_levels")[TOPIC] == "newer_levels"


def test_who_was_demoted_meanwhile_changes_nothing(dag: Dag) -> None:
    dag.levels("demotion", ALICE, _levels(dag, {}), after=["carol"], ts=9000)
    dag.topic("topic", BOB, after=["carol"], ts=2000)
    state = dag.merge("demotion", "topic")
    assert state[POWER_LEVELS] == "demotion"
    assert TOPIC not in state


def test_who_was_banned_meanwhile_changes_nothing(dag: Dag) -> None:
    dag.topic("first", ALICE, after=["carol"])
    dag.member("ban", BOB, "ban", by=ALICE, after=["first"], ts=9000)
    dag.topic("topic", BOB, after=["first"], ts=2000)
    dag.member("kick", CAROL, "leave", by=BOB, after=["topic"], ts=2001)
    state = dag.merge("ban", "kick")
    assert state["m.room.member", BOB] == "ban"
    assert state["m.room.member", CAROL] == "carol"
    assert state[TOPIC] == "first"


def test_a_ban_holds_against_a_profile_change(dag: Dag) -> None:
    dag.member("ban", CAROL, "ban", by=BOB, after=["carol"], ts=2000)
    dag.member("renamed", CAROL, "join", after=["carol"], ts=9000)
    assert dag.merge("ban", "renamed")["m.room.member", CAROL] == "ban"


def test_of_two_who_ban_each_other_the_more_powerful_wins(dag: Dag) -> None:
    dag.levels("levels2", ALICE, _levels(dag, {BOB: 50, CAROL: 40, DAVE: 40}), after=["carol"])
    dag.member("ban_bob", BOB, "ban", by=ALICE, after=["levels2"], ts=9000)
    dag.levels("bobs_levels", BOB, _levels(dag, {BOB: 50, CAROL: 0, DAVE: 40}), after=["levels2"], ts=2000)
    state = dag.merge("ban_bob", "bobs_levels")
    assert state["m.room.member", BOB] == "ban_bob"
    assert state[POWER_LEVELS] == "levels2"


def test_a_stricter_join_rule_keeps_out_who_joined_meanwhile(dag: Dag) -> None:
    dag.send("closed", ALICE, "m.room.join_rules", {"join_rule": "invite"}, key="", after=["carol"], ts=9000)
    dag.member("dave", DAVE, "join", after=["carol"], ts=2000)
    state = dag.merge("closed", "dave")
    assert state[JOIN_RULES] == "closed"
    assert ("m.room.member", DAVE) not in state


def test_three_branches(dag: Dag) -> None:
    dag.topic("one", ALICE, after=["carol"], ts=2000)
    dag.topic("two", BOB, after=["carol"], ts=3000)
    dag.member("ban", BOB, "ban", by=ALICE, after=["carol"], ts=4000)
    state = dag.merge("one", "two", "ban")
    assert state[TOPIC] == "one"
    assert state["m.room.member", BOB] == "ban"


def test_branches_that_met_before(dag: Dag) -> None:
    dag.topic("one", ALICE, after=["carol"], ts=2000)
    dag.topic("two", BOB, after=["carol"], ts=3000)
    dag.send("merge", ALICE, "m.room.message", {}, after=["one", "two"])
    dag.topic("three", ALICE, after=["one"], ts=2500)
    assert dag.merge("merge", "three")[TOPIC] == "two"


def test_rejected_auth_events_authorise_nothing(dag: Dag) -> None:
    dag.levels("levels2", ALICE, _levels(dag, {DAVE: 50}), after=["carol"])
    dag.send("closed", ALICE, "m.room.join_rules", {"join_rule": "invite"}, key="", after=["levels2"])
    dag.member("intruder", DAVE, "join", after=["closed"], unchecked=True)
    dag.topic("topic", DAVE, after=["intruder"])
    before = dag.after["$closed"]
    states = [before, {**before, TOPIC: "$topic"}]
    assert dag.resolve(states).get(TOPIC) == "$topic"
    assert TOPIC not in resolve_in_memory(dag.version, states, dag.events, rejected=["$intruder"])


def test_missing_events_are_as_if_they_did_not_exist(dag: Dag) -> None:
    dag.topic("one", ALICE, after=["carol"], ts=2000)
    dag.topic("two", BOB, after=["carol"], ts=3000)
    states = [dag.after["$one"], dag.after["$two"]]
    del dag.events["$two"]
    assert dag.resolve(states)[TOPIC] == "$one"


def test_events_that_cite_each_other_in_a_circle_end(dag: Dag) -> None:
    before = dag.after["$carol"]
    dag.levels("x", ALICE, _levels(dag, {BOB: 51}), after=["carol"])
    dag.levels("y", ALICE, _levels(dag, {BOB: 52}), after=["carol"])
    dag.events["$x"].auth_events += ("$y",)
    dag.events["$y"].auth_events += ("$x",)
    dag.topic("t", ALICE, after=["carol"])
    dag.events["$t"].auth_events = ("$x", *dag.events["$t"].auth_events)
    states = [{**before, POWER_LEVELS: "$x"}, {**before, POWER_LEVELS: "$y", TOPIC: "$t"}]
    resolved = dag.resolve(states)
    assert set(before) - {POWER_LEVELS} <= set(resolved)


class TestRevision21:
    """What room version 12 does otherwise."""

    def test_starts_from_the_empty_state(self) -> None:
        # Carol's topic stands on the power levels that she cites; where every branch has agreed on others meanwhile,
        # version 2 judges her by those, revision 2.1 by what the conflicting events bring with them.
        results = {}
        for version in ("11", "12"):
            dag = room(version)
            dag.levels("promote", ALICE, _levels(dag, {BOB: 50, CAROL: 50}), after=["carol"], ts=1500)
            dag.topic("carols", CAROL, after=["promote"], ts=9000)
            dag.topic("bobs", BOB, after=["promote"], ts=2000)
            dag.levels("demote", ALICE, _levels(dag, {BOB: 50}), after=["promote"], ts=9500)
            agreed = {**dag.after["$promote"], POWER_LEVELS: "$demote"}
            states = [{**agreed, TOPIC: "$carols"}, {**agreed, TOPIC: "$bobs"}]
            results[version] = dag.resolve(states)[TOPIC]
        assert results == {"11": "$bobs", "12": "$carols"}

    def test_replays_what_lies_between_conflicting_events(self) -> None:
        # `second` made Carol powerful and is where `third` comes from. Every branch has it in its history, so that it is
        # neither in conflict nor in the auth difference; without it `third` looks unauthorised after `first`.
        results = {}
        for version in ("11", "12"):
            dag = room(version)
            dag.levels("first", ALICE, _levels(dag, {BOB: 50}), after=["carol"])
            dag.levels("second", ALICE, _levels(dag, {BOB: 50, CAROL: 100}), after=["first"])
            dag.topic("topic", CAROL, after=["second"])
            dag.levels("third", CAROL, _levels(dag, {BOB: 60, CAROL: 100}), after=["topic"])
            agreed = dag.after["$topic"]
            states = [{**agreed, POWER_LEVELS: "$first"}, {**agreed, POWER_LEVELS: "$third"}]
            results[version] = dag.resolve(states)[POWER_LEVELS]
        assert results == {"11": "$first", "12": "$third"}


def _levels(dag: Dag, users: dict[str, int]) -> dict[str, int]:
    return users if dag.version.privileged_creators else {ALICE: 100, **users}
