"""Looking at states, full and partial."""

from collections.abc import AsyncIterator

import pytest

from ranvier.state.view import Full, Lookup, Partial
from tests.proto.dag import ALICE, BOB, Dag
from tests.state.stored_dag import store_dag

RULE = ("m.room.join_rules", "")
MEMBERS = {("m.room.member", ALICE), ("m.room.member", BOB)}


@pytest.fixture
async def place() -> AsyncIterator[tuple[Lookup, int, Dag]]:
    """Where to look, the number of a state, and the history it is from."""
    dag = Dag("10")
    dag.begin()
    dag.member("bob", BOB, "join", after=["rule"])
    async with store_dag(dag) as stored:
        state_no = await stored.add_state(dag.after["$bob"])
        yield Lookup(db=stored.db, keys=stored.keys, cache=stored.cache, history=stored.history), state_no, dag


async def test_a_full_state_answers_for_everything(place: tuple[Lookup, int, Dag]) -> None:
    where, state_no, dag = place
    view = Full(where, state_no)
    rule = await view.get(RULE)
    assert rule is not None and rule.event.event_id == "$rule"
    assert await view.get(("m.room.topic", "")) is None
    assert set(await view.members()) == MEMBERS
    assert set(await view.everything()) == set(dag.after["$bob"])
    assert set(await view.non_members()) == set(dag.after["$bob"]) - MEMBERS


async def test_a_partial_state_answers_for_what_it_holds_and_lists_no_members(
    place: tuple[Lookup, int, Dag],
) -> None:
    where, state_no, dag = place
    view = Partial(where, state_no)
    assert await view.get(RULE) is not None
    assert set(await view.entries([RULE, ("m.room.member", BOB)])) == {RULE, ("m.room.member", BOB)}
    assert set(await view.non_members()) == set(dag.after["$bob"]) - MEMBERS
    assert not hasattr(view, "members")
    assert not hasattr(view, "everything")
