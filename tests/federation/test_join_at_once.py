"""Accepting an invitation in the moment it comes, while the server that invites has still to take it in itself."""

from pathlib import Path

import pytest

from ranvier.ports import FederationAnswer
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import world

ONE, TWO = "one.test", "two.test"
REFUSAL = b'{"errcode":"M_FORBIDDEN","error":"You are not invited to this room."}'


@pytest.mark.parametrize(("refusals", "later_s", "status"), [(2, 0, 200), (9, 0, 403), (1, 60, 403)])
def test_who_has_just_been_invited_asks_again(tmp_path: Path, refusals: int, later_s: int, status: int) -> None:
    """Only then, and not for long."""
    asked = 0

    def refuse(origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
        nonlocal asked
        if "/make_join/" not in target:
            return answer
        asked += 1
        return FederationAnswer(403, answer.headers, REFUSAL) if asked <= refusals else answer

    async def play() -> None:
        async with world(1, tmp_path, ONE, TWO) as w:
            alice, bob = await w.user("alice", ONE), await w.user("bob", TWO)
            room_id = await alice.create_room(preset="private_chat", invite=[bob.user_id])
            w.network.tamper = refuse
            await w.clocks[TWO].sleep(later_s)
            assert (await bob.post(f"/join/{room_id}")).status == status

    run_virtually(play())
    assert asked == (4 if refusals == 9 else 1 if later_s else 3)
