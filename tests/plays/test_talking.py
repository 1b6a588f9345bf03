"""Two servers that talk, and nothing goes wrong."""

from pathlib import Path

import pytest

from tests.api.asgi import in_room
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import heard, say, world

VERSIONS = ["6", "9", "10", "11", "12"]


@pytest.mark.parametrize("version", VERSIONS)
def test_join_and_talk(tmp_path: Path, version: str) -> None:
    async def play() -> None:
        async with world(1, tmp_path, "one.test", "two.test") as w:
            alice, bob = await w.user("alice", "one.test"), await w.user("bob", "two.test")
            room_id = await alice.create_room(preset="public_chat", room_version=version)
            await say(alice, room_id, "before")
            (await bob.post(f"/join/{room_id}?via=one.test")).ok()
            await say(alice, room_id, "hello")
            await w.settle()
            await say(bob, room_id, "hi")
            await w.settle()
            assert await heard(alice, room_id) == ["hi", "hello", "before"]
            assert await heard(bob, room_id) == ["hi", "hello", "before"]
            await w.check_agreement(room_id, ["one.test", "two.test"])
            members = (await bob.get(f"{in_room(room_id)}/joined_members")).ok()["joined"]
            assert set(members) == {alice.user_id, bob.user_id}

    run_virtually(play())


def test_who_leaves_and_comes_back_at_once_is_there_for_everybody(tmp_path: Path) -> None:
    """In the same millisecond, while another server's messages branch the room."""

    async def play() -> None:
        async with world(1, tmp_path, "one.test", "two.test") as w:
            alice, bob, carol = (
                await w.user("alice", "one.test"),
                await w.user("bob", "two.test"),
                await w.user("carol", "two.test"),
            )
            room_id = await alice.create_room(preset="public_chat")
            for person in (bob, carol):
                (await person.post(f"/join/{room_id}?via=one.test")).ok()
            await w.settle()
            for number in range(8):
                await say(alice, room_id, f"meanwhile {number}")
                for act in ("leave", "join"):
                    (await bob.post(f"{in_room(room_id)}/{act}")).ok()
                await w.settle()
                for server in w.servers:
                    assert (await w.state(server, room_id)) == (await w.state("one.test", room_id))
                member = (await alice.get(f"{in_room(room_id)}/state/m.room.member/{bob.user_id}")).ok()
                assert member["membership"] == "join"
                await say(alice, room_id, "joins the branches")
                await w.settle()

    run_virtually(play())
