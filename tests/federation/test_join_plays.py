"""Real servers and their users: coming into rooms, being asked in, and getting out again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, heard, say, world

ONE, TWO, THREE = "one.test", "two.test", "three.test"


class Cast:
    """One user of each server, who may do things there."""

    def __init__(self, w: World, alice: Client, bob: Client, carol: Client) -> None:
        self.w = w
        self.alice = alice
        self.bob = bob
        self.carol = carol

    async def membership(self, server: str, room_id: str, client: Client) -> str:
        """By the state of the room as a server has it."""
        rooms = self.w.servers[server].rooms.rooms
        return await rooms.membership(await rooms.get(room_id), client.user_id)


Play = Callable[[Cast], Awaitable[None]]


def played(folder: Path, play: Play, *, seed: int = 1) -> None:
    async def run() -> None:
        async with world(seed, folder, ONE, TWO, THREE) as w:
            alice, bob, carol = await w.user("alice", ONE), await w.user("bob", TWO), await w.user("carol", THREE)
            await play(Cast(w, alice, bob, carol))

    run_virtually(run())


async def rooms(client: Client, section: str) -> Any:
    return (await client.get("/sync")).ok().get("rooms", {}).get(section, {})


async def invite(inviter: Client, room_id: str, target: Client) -> None:
    (await inviter.post(f"/rooms/{room_id}/invite", {"user_id": target.user_id})).ok()


def test_an_invitation_is_accepted(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        room_id = await alice.create_room(preset="private_chat", invite=[bob.user_id], name="Tea")
        assert room_id in await rooms(bob, "invite")
        (await bob.post(f"/rooms/{room_id}/join")).ok()
        await cast.w.settle()
        await invite(bob, room_id, carol)
        await cast.w.settle()
        (await carol.post(f"/join/{room_id}")).ok()
        await cast.w.settle()
        await say(carol, room_id, "hello")
        await cast.w.settle()
        for client in (alice, bob):
            assert await heard(client, room_id) == ["hello"]
        await cast.w.check_agreement(room_id, [ONE, TWO, THREE])

    played(tmp_path, play)


def test_an_invitation_is_turned_down_and_another_is_taken_back(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob = cast.alice, cast.bob
        room_id = await alice.create_room(preset="private_chat")
        await invite(alice, room_id, bob)
        (await bob.post(f"/rooms/{room_id}/leave")).ok()
        assert await cast.membership(ONE, room_id, bob) == "leave"
        await invite(alice, room_id, bob)
        assert room_id in await rooms(bob, "invite")
        (await alice.post(f"/rooms/{room_id}/kick", {"user_id": bob.user_id})).ok()
        await cast.w.settle()
        assert room_id not in await rooms(bob, "invite")
        (await bob.post(f"/join/{room_id}")).refused(403, "M_FORBIDDEN")

    played(tmp_path, play)


def test_a_knock_is_answered(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        room_id = await alice.create_room(preset="private_chat", initial_state=[rules])
        for client in (bob, carol):
            (await client.post(f"/knock/{room_id}?via={ONE}", {"reason": "please"})).ok()
            assert room_id in await rooms(client, "knock")
        await invite(alice, room_id, bob)
        (await bob.post(f"/join/{room_id}")).ok()
        (await alice.post(f"/rooms/{room_id}/kick", {"user_id": carol.user_id})).ok()
        await cast.w.settle()
        assert room_id not in await rooms(carol, "knock")
        await cast.w.check_agreement(room_id, [ONE, TWO])

    played(tmp_path, play)


def test_a_restricted_room_opens_to_members_of_another(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        lobby = await alice.create_room(preset="public_chat")
        allow = [{"type": "m.room_membership", "room_id": lobby}]
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "restricted", "allow": allow}}
        room_id = await alice.create_room(preset="private_chat", initial_state=[rules])
        (await bob.post(f"/join/{room_id}?via={ONE}")).refused(403, "M_FORBIDDEN")
        for client in (bob, carol):
            (await client.post(f"/join/{lobby}?via={ONE}")).ok()
        await cast.w.settle()
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        await cast.w.settle()
        cast.w.network.part(ONE, THREE)
        (await carol.post(f"/join/{room_id}?via={ONE}&via={TWO}")).ok()
        cast.w.network.heal()
        await cast.w.settle()
        await cast.w.check_agreement(room_id, [ONE, TWO, THREE])

    played(tmp_path, play)


def test_who_comes_back_sees_what_has_happened_meanwhile(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob = cast.alice, cast.bob
        room_id = await alice.create_room(preset="public_chat")
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        await cast.w.settle()
        await say(alice, room_id, "first")
        await cast.w.settle()
        (await bob.post(f"/rooms/{room_id}/leave")).ok()
        await cast.w.settle()
        assert await cast.membership(ONE, room_id, bob) == "leave"
        await say(alice, room_id, "unheard")
        (await alice.set_state(room_id, "m.room.topic", {"topic": "new"})).ok()
        await cast.w.settle()
        (await bob.post(f"/join/{room_id}")).ok()
        await cast.w.settle()
        await say(alice, room_id, "last")
        await cast.w.settle()
        assert (await bob.state(room_id, "m.room.topic")).ok() == {"topic": "new"}
        assert (await heard(bob, room_id))[0] == "last"
        await cast.w.check_agreement(room_id, [ONE, TWO])

    played(tmp_path, play)


def test_a_joined_room_is_there_after_a_crash(tmp_path: Path) -> None:
    async def play(cast: Cast) -> None:
        alice, bob = cast.alice, cast.bob
        room_id = await alice.create_room(preset="public_chat")
        other = await alice.create_room(preset="private_chat")
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        await invite(alice, other, bob)
        for name in (TWO, ONE):
            await cast.w.crash(name)
            await cast.w.start(name)
        await cast.w.settle()
        bob, alice = cast.w.clients[bob.user_id], cast.w.clients[alice.user_id]
        (await bob.post(f"/join/{other}")).ok()
        await say(bob, room_id, "still here")
        await cast.w.settle()
        assert (await heard(alice, room_id))[0] == "still here"
        for each in (room_id, other):
            await cast.w.check_agreement(each, [ONE, TWO])

    played(tmp_path, play)


def test_what_the_one_who_left_does_not_tell_any_more_others_do(tmp_path: Path) -> None:
    """A server hears of a leave, but has not heard of the join; the server of who has left is not in the room."""

    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        room_id = await alice.create_room(preset="public_chat")
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        await cast.w.settle()
        cast.w.network.part(ONE, TWO)
        (await carol.post(f"/join/{room_id}?via={ONE}")).ok()
        (await carol.post(f"/rooms/{room_id}/leave")).ok()
        await asyncio.sleep(60)
        cast.w.network.heal()
        await asyncio.sleep(3600)
        await cast.w.settle()
        assert await cast.membership(TWO, room_id, carol) == "leave"
        await cast.w.check_agreement(room_id, [ONE, TWO])

    played(tmp_path, play)


@pytest.mark.parametrize("seed", range(4))
def test_joins_and_leaves_over_a_bad_network_come_to_agreement(tmp_path: Path, seed: int) -> None:
    async def play(cast: Cast) -> None:
        alice, bob, carol = cast.alice, cast.bob, cast.carol
        faults = cast.w.network.faults
        room_id = await alice.create_room(preset="public_chat")
        faults.lost_request, faults.lost_answer, faults.repeated = 0.05, 0.1, 0.2
        for client in (bob, carol):
            answers = [await client.post(f"/join/{room_id}?via={ONE}&via={TWO}")]
            while answers[-1].status != 200 and len(answers) < 60:
                assert answers[-1].status in (404, 502), answers[-1].body
                await cast.w.settle()
                answers.append(await client.post(f"/join/{room_id}?via={ONE}&via={TWO}"))
            answers[-1].ok()
        await say(bob, room_id, "here")
        (await carol.post(f"/rooms/{room_id}/leave")).ok()
        faults.lost_request = faults.lost_answer = faults.repeated = 0.0
        await asyncio.sleep(3 * 3600)  # Servers that seemed to be away are left alone for some time.
        await say(alice, room_id, "now we can hear each other")
        await cast.w.settle()
        await cast.w.check_agreement(room_id, [ONE, TWO])
        assert await cast.membership(ONE, room_id, carol) == "leave"

    played(tmp_path, play, seed=seed)
