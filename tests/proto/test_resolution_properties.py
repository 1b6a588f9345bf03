"""What holds for every resolution, whatever the history."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranvier.proto.auth.error import AuthError
from ranvier.proto.events import Event
from ranvier.proto.resolution.auth_graph import Node, drive_walk, walk_between, walk_citing, walk_differing
from ranvier.proto.resolution.in_memory import MemorySource, resolve_in_memory
from ranvier.proto.resolution.order import by_mainline, by_power
from ranvier.proto.resolution.requests import FetchAuthDifference, FetchConflictedSubgraph
from ranvier.proto.resolution.resolve import split
from tests.proto.dag import ALICE, BOB, CAROL, DAVE, Dag, State

T = TypeVar("T")
USERS = [ALICE, BOB, CAROL, DAVE]
VERSIONS = ["1", "2", "6", "10", "12"]
GENEROUS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def histories(draw: st.DrawFn, versions: list[str] = VERSIONS) -> Dag:
    """A room in which four users do what they may, on branches that come and go."""
    dag = Dag(draw(st.sampled_from(versions)))
    dag.begin(users={BOB: 50})
    dag.member("bob", BOB, "join", after=["rule"])
    names = ["rule", "bob"]
    for number in range(draw(st.integers(3, 14))):
        after = draw(st.lists(st.sampled_from(names[-6:]), min_size=1, max_size=3, unique=True))
        name = f"e{number}"
        try:
            _do_something(draw, dag, name, after)
        except AuthError:
            continue
        names.append(name)
    return dag


def _do_something(draw: st.DrawFn, dag: Dag, name: str, after: list[str]) -> None:
    user, other = draw(st.sampled_from(USERS)), draw(st.sampled_from(USERS))
    ts = draw(st.integers(1000, 1020))
    match draw(st.sampled_from(["topic", "member", "levels", "rule", "ban", "invite", "kick"])):
        case "topic":
            dag.topic(name, user, after=after, ts=ts)
        case "member":
            dag.member(name, user, draw(st.sampled_from(["join", "leave"])), after=after, ts=ts)
        case "levels":
            users = draw(st.dictionaries(st.sampled_from(USERS[1:]), st.sampled_from([0, 50, 100]), max_size=3))
            dag.levels(
                name, user, users if dag.version.privileged_creators else {ALICE: 100, **users}, after=after, ts=ts
            )
        case "rule":
            rule = draw(st.sampled_from(["public", "invite"]))
            dag.send(name, user, "m.room.join_rules", {"join_rule": rule}, key="", after=after, ts=ts)
        case kind:
            membership = {"kick": "leave"}.get(kind, kind)
            dag.member(name, other, membership, by=user, after=after, ts=ts)


@st.composite
def meetings(draw: st.DrawFn, versions: list[str] = VERSIONS) -> tuple[Dag, list[State]]:
    """A history and some states of it."""
    dag = draw(histories(versions))
    chosen = draw(st.lists(st.sampled_from(sorted(dag.after)), min_size=2, max_size=4, unique=True))
    return dag, [dag.after[event_id] for event_id in chosen]


@GENEROUS
@given(meetings(), st.randoms())
def test_order_does_not_matter(meeting: tuple[Dag, list[State]], random: Any) -> None:
    dag, states = meeting
    expected = dag.resolve(states)
    shuffled = []
    for state in random.sample(states, len(states)):
        entries = list(state.items())
        random.shuffle(entries)
        shuffled.append(dict(entries))
    events = list(dag.events.items())
    random.shuffle(events)
    assert resolve_in_memory(dag.version, shuffled, dict(events)) == expected


@GENEROUS
@given(meetings())
def test_a_resolution_stands_when_resolved_with_itself(meeting: tuple[Dag, list[State]]) -> None:
    dag, states = meeting
    resolved = dag.resolve(states)
    assert dag.resolve([resolved, dict(resolved)]) == resolved
    assert dag.resolve([*states, states[0]]) == resolved


@GENEROUS
@given(meetings())
def test_what_all_states_agree_on_stays(meeting: tuple[Dag, list[State]]) -> None:
    dag, states = meeting
    resolved = dag.resolve(states)
    unconflicted, _ = split(states)
    assert unconflicted.items() <= resolved.items()
    for key, event_id in resolved.items():
        assert dag.events[event_id].key == key


@GENEROUS
@given(meetings())
def test_the_walks_find_what_the_definitions_say(meeting: tuple[Dag, list[State]]) -> None:
    dag, states = meeting
    unconflicted, conflicts = split(states)
    source = MemorySource(dag.events, unconflicted)
    chains = [_chain(dag.events, state.values()) for state in states]
    found = source.answer(FetchAuthDifference(tuple(frozenset(entries.values()) for entries in conflicts)))
    assert set(found) == _in_some_but_not_all(chains)
    ends = frozenset(event_id for entries in conflicts for event_id in entries.values())
    between = source.answer(FetchConflictedSubgraph(ends))
    expected = {
        event_id
        for event_id in _chain(dag.events, ends)
        if event_id in ends or not ends.isdisjoint(_chain(dag.events, dag.events[event_id].auth_events))
    }
    assert set(between) == expected


graphs = st.integers(2, 40).flatmap(
    lambda size: st.tuples(*(st.sets(st.integers(0, max(0, nid - 1)), max_size=3) for nid in range(size)))
)


@settings(max_examples=150, deadline=None)
@given(graphs, st.data())
def test_walks_on_any_graph(graph: tuple[set[int], ...], data: st.DataObject) -> None:
    some = st.sets(st.integers(0, len(graph) - 1), max_size=4)
    sets = data.draw(st.lists(some, min_size=2, max_size=4))
    common = data.draw(some) - set().union(*sets)
    hints = [nid for nid in common if data.draw(st.booleans())]
    nodes = {nid: Node(auth, nid in common) for nid, auth in enumerate(graph)}
    chains = [_reach(graph, {*starts, *common}) for starts in sets]
    found = drive_walk(walk_differing(sets, hints), nodes)
    found -= drive_walk(walk_citing(found, common), nodes)
    assert found == _in_some_but_not_all(chains)
    ends = set().union(*sets)
    inside = drive_walk(walk_between(ends), nodes)
    below = _reach(graph, ends)
    assert inside == {nid for nid in below if nid in ends or not ends.isdisjoint(_reach(graph, graph[nid] - {nid}))}


def test_a_chain_of_any_length_is_walked_without_recursion() -> None:
    nodes = {nid: Node([nid - 1]) for nid in range(1, 50_001)}
    assert len(drive_walk(walk_differing([{50_000}, {10}]), nodes)) == 49_990
    assert len(drive_walk(walk_between({50_000, 10}), nodes)) == 49_991


def test_numbers_that_rise_along_an_edge_are_ignored() -> None:
    nodes = {1: Node([2]), 2: Node([1, 2]), 3: Node([2, 3])}
    assert drive_walk(walk_differing([{3}, set()]), nodes) == {1, 2, 3}
    assert drive_walk(walk_between({3, 1}), nodes) == {1, 2, 3}
    assert drive_walk(walk_citing({1}, [3]), nodes) == {1}


@GENEROUS
@given(histories(), st.integers(0, 3))
def test_the_power_ordering_respects_auth_events(dag: Dag, seed: int) -> None:
    ordered = [event.event_id for event in by_power(dag.events, lambda event: (hash(event.sender) + seed) % 3)]
    assert sorted(ordered) == sorted(dag.events)
    for place, event_id in enumerate(ordered):
        assert set(dag.events[event_id].auth_events) <= set(ordered[:place])


def test_the_mainline_ordering_ends_in_circles() -> None:
    dag = Dag()
    dag.begin()
    parents = {"$rule": "$levels", "$levels": "$alice", "$alice": "$levels", "$room": "$rule"}
    events = [dag.events[event_id] for event_id in ("$rule", "$room")]
    assert {event.event_id for event in by_mainline(events, None, parents)} == {"$rule", "$room"}
    assert {event.event_id for event in by_mainline(events, "$levels", parents)} == {"$rule", "$room"}


def _in_some_but_not_all(chains: Sequence[set[T]]) -> set[T]:
    first, *others = chains
    return first.union(*others) - first.intersection(*others)


def _chain(events: Mapping[str, Event], starts: Collection[str]) -> set[str]:
    """The events and everything they stand on, as the definition says."""
    found: set[str] = set()
    pending = list(starts)
    while pending:
        event_id = pending.pop()
        if event_id not in found:
            found.add(event_id)
            pending.extend(events[event_id].auth_events)
    return found


def _reach(graph: tuple[set[int], ...], starts: Collection[int]) -> set[int]:
    found: set[int] = set()
    pending = list(starts)
    while pending:
        nid = pending.pop()
        if nid not in found:
            found.add(nid)
            pending.extend(auth for auth in graph[nid] if auth < nid)
    return found
