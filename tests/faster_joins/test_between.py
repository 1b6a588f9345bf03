"""Partial joins between real servers, in every room version."""

import asyncio
from pathlib import Path

import pytest

from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.federation.test_join_plays import ONE, THREE, TWO, Cast, played
from tests.plays.world import heard, say


@pytest.mark.parametrize("name", ["Square", None])
@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
def test_a_room_of_three_servers(version: str, name: str | None, tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        named = {} if name is None else {"name": name}
        room_id = await alice.create_room(preset="public_chat", room_version=version, **named)
        for number in range(7):
            friend = await cast.w.user(f"friend{number}", ONE)
            (await friend.act(room_id, "join")).ok()
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        room = await cast.w.servers[TWO].rooms.rooms.get(room_id)
        assert room.partial is not None
        assert room.partial.servers == {ONE}
        known = [key[1] for key in await cast.w.state(TWO, room_id) if key[0] == "m.room.member"]
        assert len(known) == (1 if name else 6)
        # Once it knows everybody it lets others in itself.
        await asyncio.sleep(60)
        (await carol.post(f"/join/{room_id}?via={TWO}")).ok()
        await say(carol, room_id, "hello")
        await cast.w.settle()
        await asyncio.sleep(120)
        await cast.w.settle()
        assert await heard(alice, room_id) == ["hello"]
        for server in (TWO, THREE):
            room = await cast.w.servers[server].rooms.rooms.get(room_id)
            assert room.partial is None
        await cast.w.check_agreement(room_id, [ONE, TWO, THREE])

    played(tmp_path, play)
