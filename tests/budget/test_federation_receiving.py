"""What transactions of other servers may cost, through signed requests."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from tests.budget.test_statements import spending
from tests.federation.signed import Door, behind_door
from tests.plays.virtual_loop import run_virtually

Act = Callable[[Door], Coroutine[None, None, None]]
Run = Callable[[Act], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    async def go(act: Act) -> None:
        async with behind_door(tmp_path) as door:
            assert all(result == {} for result in (await door.taken(_say(door, "warm"))).values())
            await asyncio.sleep(60)
            await act(door)

    return lambda act: run_virtually(go(act))


def _say(door: Door, text: str) -> object:
    door.room.tip = door.message(text)
    return door.room.tip


def test_fifty_events_of_one_room_are_one_write_transaction(run: Run) -> None:
    async def act(door: Door) -> None:
        events = [_say(door, f"{number}") for number in range(50)]
        async with spending(door.at.server.db) as spent:
            results = await door.taken(*events)
        assert len(results) == 50 and not any(results.values())
        assert spent.write_transactions == 1
        assert spent.statements <= 12
        assert await door.ends() == {door.room.tip.event_id}
        assert not door.peers.requests

    run(act)


def test_events_that_come_again_are_not_written(run: Run) -> None:
    async def act(door: Door) -> None:
        events = [_say(door, f"{number}") for number in range(50)]
        await door.taken(*events)
        async with spending(door.at.server.db) as spent:
            assert not any((await door.taken(*events)).values())
        assert spent.write_transactions == 0
        assert spent.statements <= 4

    run(act)


def test_a_transaction_of_typing_writes_nothing(run: Run) -> None:
    async def act(door: Door) -> None:
        edu = {
            "edu_type": "m.typing",
            "content": {"room_id": door.room.room_id, "user_id": "@u:evil.test", "typing": True},
        }
        await door.send(edus=[edu])
        async with spending(door.at.server.db) as spent:
            status, _ = await door.send(edus=[edu] * 100)
        assert status == 200
        assert (spent.write_transactions, spent.statements) == (0, 0)

    run(act)
