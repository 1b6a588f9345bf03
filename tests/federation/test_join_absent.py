"""A room with a server in it that is away, which swallows all requests: joining does not wait for it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ranvier.http.response import Header
from tests.api.asgi import in_room
from tests.plays.held_states import until_full
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, heard, say, world

ONE, TWO, THREE = "one.test", "two.test", "three.test"


class Swallowing:
    """Takes connections, and never answers."""

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        await asyncio.Event().wait()
        raise AssertionError


async def swallow(w: World, name: str) -> None:
    """The server is there no more, but what is sent to it is not refused."""
    await w.crash(name)
    w.network.apps[name] = Swallowing()
    w.network.unruly.add(name)


@pytest.mark.parametrize("creator", [ONE, TWO])
def test_a_join_does_not_wait_for_a_server_that_is_away(tmp_path: Path, creator: str) -> None:
    """Not for the keys of who has made the room either, which the one that answers knows."""

    async def play() -> None:
        async with world(1, tmp_path, ONE, TWO, THREE) as w:
            people = {name: await w.user("u", name) for name in (ONE, TWO, THREE)}
            other = TWO if creator == ONE else ONE
            room_id = await people[creator].create_room(preset="public_chat", name="Tea")
            (await people[other].post(f"/join/{room_id}?via={creator}")).ok()
            await say(people[TWO], room_id, "I was here")
            await w.settle()
            await swallow(w, TWO)
            began_s = asyncio.get_running_loop().time()
            (await people[THREE].post(f"/join/{room_id}?via={ONE}")).ok()
            assert asyncio.get_running_loop().time() - began_s < 2
            await until_full(w)
            if creator == ONE:
                return  # Members who were left out are asked for later.
            members = (await people[THREE].get(f"{in_room(room_id)}/joined_members")).ok()["joined"]
            assert set(members) == {person.user_id for person in people.values()}
            assert await w.state(THREE, room_id) == await w.state(ONE, room_id)
            await say(people[ONE], room_id, "welcome")
            await w.clocks[ONE].sleep(5)
            assert (await heard(people[THREE], room_id))[:1] == ["welcome"]

    run_virtually(play())
