"""Resolving stored states."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.proto.dag import ALICE, BOB, CAROL, Dag, State
from tests.proto.test_resolution_properties import meetings
from tests.state.stored_dag import StoredDag, store_dag

TOPIC = ("m.room.topic", "")


@pytest.fixture
async def fork() -> AsyncIterator[tuple[StoredDag, int, int]]:
    """A room where Alice and Bob set the topic at the same time."""
    dag = Dag("10")
    dag.begin(users={BOB: 50})
    dag.member("bob", BOB, "join", after=["rule"])
    dag.topic("alices", ALICE, after=["bob"], ts=2000)
    dag.topic("bobs", BOB, after=["bob"], ts=3000)
    async with store_dag(dag) as stored:
        root = await stored.add_state(dag.after["$bob"])
        numbers = [await stored.derive(root, dag.after["$bob"], dag.after[name]) for name in ("$alices", "$bobs")]
        yield stored, numbers[0], numbers[1]


async def test_one_state_is_its_own_resolution(fork: tuple[StoredDag, int, int]) -> None:
    stored, first, _ = fork
    resolved = await stored.resolver.resolve([first, first])
    assert (resolved.state_no, resolved.rows) == (first, None)


async def test_a_result_that_equals_a_parent_takes_its_number(fork: tuple[StoredDag, int, int]) -> None:
    stored, first, second = fork
    for state_nos in ([first, second], [second, first]):
        resolved = await stored.resolver.resolve(state_nos)
        assert (resolved.state_no, resolved.rows) == (second, None)


async def test_a_new_state_is_one_small_change() -> None:
    dag = Dag("10")
    dag.begin(users={BOB: 50})
    dag.member("bob", BOB, "join", after=["rule"])
    dag.topic("topic", ALICE, after=["bob"])
    dag.member("carol", CAROL, "join", after=["bob"])
    async with store_dag(dag) as stored:
        root = await stored.add_state(dag.after["$bob"])
        numbers = [await stored.derive(root, dag.after["$bob"], dag.after[name]) for name in ("$topic", "$carol")]
        await _check_new_state(stored, numbers)


async def _check_new_state(stored: StoredDag, numbers: list[int]) -> None:
    resolved = await stored.resolver.resolve(numbers)
    assert resolved.rows is not None
    await stored.keep(resolved.rows)
    assert await stored.state(resolved.state_no) == stored.dag.before(["topic", "carol"])
    changes = await stored.history.difference(numbers[0], resolved.state_no)
    assert list(changes.values()) == [(0, stored.nids["$carol"])]

    stored.resolver.remember(numbers, resolved)
    before = stored.db.counters.statements
    again = await stored.resolver.resolve(numbers)
    assert (again.state_no, again.rows) == (resolved.state_no, None)
    assert stored.db.counters.statements == before


async def test_a_conflict_over_one_topic_needs_few_statements(fork: tuple[StoredDag, int, int]) -> None:
    stored, first, second = fork
    before = stored.db.counters.statements
    await stored.resolver.resolve([first, second])
    assert stored.db.counters.statements - before <= 12


async def test_rejected_events_authorise_nothing() -> None:
    dag = Dag("10")
    dag.begin(users={BOB: 50, CAROL: 50}, join_rule="invite")
    dag.member("intruder", CAROL, "join", after=["rule"], unchecked=True)
    dag.topic("topic", CAROL, after=["intruder"])
    agreed = dag.after["$rule"]
    for rejected, expected in (([], "$topic"), (["$intruder"], None)):
        async with store_dag(dag, rejected) as stored:
            root = await stored.add_state(agreed)
            other = await stored.derive(root, agreed, {**agreed, TOPIC: "$topic"})
            resolved = await stored.resolver.resolve([root, other])
            assert (await stored.state(resolved.state_no)).get(TOPIC) == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(meetings())
async def test_stored_states_resolve_like_those_in_memory(meeting: tuple[Dag, list[State]]) -> None:
    dag, states = meeting
    async with store_dag(dag) as stored:
        first = await stored.add_state(states[0])
        numbers = [first] + [await stored.derive(first, states[0], state) for state in states[1:]]
        resolved = await stored.resolver.resolve(numbers)
        if resolved.rows is not None:
            await stored.keep(resolved.rows)
        assert await stored.state(resolved.state_no) == dag.resolve(states)
