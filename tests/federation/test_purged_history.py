"""What a server has deleted of a room does not come back from the other servers that are there."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from ranvier.rooms.purge_history import Doomed
from tests.api.asgi import Client, in_room, part
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, heard, say, world

ONE, TWO, THREE = "one.test", "two.test", "three.test"

Play = Callable[[World, Client, Client, Client], Awaitable[None]]


def played(folder: Path, play: Play, **options: object) -> None:
    """Let a play run, with alice, bob and carol on three servers."""

    async def run() -> None:
        async with world(1, folder) as w:
            w.options = options
            for name in (ONE, TWO, THREE):
                await w.start(name)
            await play(w, await w.user("alice", ONE), await w.user("bob", TWO), await w.user("carol", THREE))

    run_virtually(run())


async def purge(w: World, server: str, room_id: str, event_id: str) -> int:
    """Delete what stands before an event, whoever said it."""
    rooms = w.servers[server].rooms
    pos = (await rooms.cache.by_id([event_id]))[event_id].pos
    assert pos is not None
    return await rooms.purge_history.purge(room_id, Doomed(before=pos, local_too=True))


async def scrolled(client: Client, room_id: str) -> list[str]:
    """What somebody finds who scrolls up to the beginning, oldest first."""
    found: list[str] = []
    query = {"dir": "b", "limit": "5"}
    while True:
        page = (await client.get(f"{in_room(room_id)}/messages", **query)).ok()
        found += [event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"]
        if "end" not in page:
            return found[::-1]
        query["from"] = page["end"]


def test_nobody_scrolls_up_to_it(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client, carol: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        old = [await say(alice, room_id, f"old {n}") for n in range(12)]
        for client in (bob, carol):
            (await client.post(f"/join/{room_id}?via={ONE}")).ok()
        await w.settle()
        assert len(await scrolled(carol, room_id)) == 12
        new = await say(alice, room_id, "new")
        await w.settle()
        # Carol's server has fetched it and deletes it; Bob's has never had it, and is told not to.
        assert await purge(w, THREE, room_id, new) == 12
        assert await scrolled(carol, room_id) == ["new"]
        (await carol.get(f"{in_room(room_id)}/event/{part(old[3])}")).refused(404, "M_NOT_FOUND")
        assert len(await scrolled(bob, room_id)) == 13
        greatest = "SELECT MAX(event_nid) FROM events"
        last_nid = await w.servers[TWO].db.value(greatest)
        assert await purge(w, TWO, room_id, new) == 12
        assert await w.servers[TWO].db.value(greatest) < last_nid
        # A restart does not bring it back either.
        await w.crash(TWO)
        await w.start(TWO)
        bob = bob.at(w.network.apps[TWO])
        assert await scrolled(bob, room_id) == ["new"]
        assert len(await scrolled(alice, room_id)) == 13
        for client in (carol, bob):
            await say(client, room_id, f"{client.user_id} goes on")
        await w.settle()
        # The numbers of what is gone are not given out again.
        said = "SELECT MIN(event_nid) FROM events WHERE event_nid > $1"
        assert await w.servers[TWO].db.value(said, last_nid) == last_nid + 1
        goes_on = {f"{client.user_id} goes on" for client in (carol, bob)}
        for client in (alice, bob, carol):
            assert set((await heard(client, room_id))[:2]) == goes_on
        await w.check_agreement(room_id, [ONE, TWO, THREE])

    played(tmp_path, play)


def test_an_event_that_refers_to_it_comes_alone(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client, carol: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        for client in (bob, carol):
            (await client.post(f"/join/{room_id}?via={ONE}")).ok()
        await w.settle()
        for n in range(3):
            await say(alice, room_id, f"old {n}")
            await w.settle()
        for other in (ONE, TWO):
            w.network.part(THREE, other)
        await say(carol, room_id, "late")
        for n in range(3, 6):
            await say(alice, room_id, f"old {n}")
        (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
        new = await say(alice, room_id, "new")
        await asyncio.sleep(60)  # Of the time of the play: no rest is to be had with a server that is away.
        assert await purge(w, TWO, room_id, new) == 6
        w.network.heal()
        await w.settle()
        await say(carol, room_id, "later")
        await w.settle()
        assert await scrolled(bob, room_id) == ["new", "late", "later"]
        assert len(await scrolled(alice, room_id)) == 9
        await w.check_agreement(room_id, [ONE, TWO, THREE])

    played(tmp_path, play)


def test_nor_is_fetched_what_has_outlived_its_time(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client, carol: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        await say(alice, room_id, "old")
        w.skew(ONE, 3 * 3_600_000)
        await say(alice, room_id, "new")
        w.skew(TWO, 3 * 3_600_000)
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        await w.settle()
        assert await scrolled(bob, room_id) == ["new"]
        rooms = w.servers[TWO].rooms.rooms
        count = "SELECT COUNT(*) FROM events WHERE key_id IS NULL AND state_before IS NOT NULL"
        assert await rooms.db.value(count) == 1

    retention = {"enabled": True, "default_policy": {"max_lifetime": "2h"}}
    played(tmp_path, play, retention=retention)


def test_answers_that_are_gone_are_not_counted_to_what_stays(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client, carol: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
        root = await say(alice, room_id, "root")
        await w.settle()
        answer = {"body": "answer", "m.relates_to": {"rel_type": "m.thread", "event_id": root}}
        edit = {
            "body": "*",
            "m.new_content": {"body": "e"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": root},
        }
        (await bob.send(room_id, "m.room.message", answer)).ok()
        await w.settle()
        (await alice.send(room_id, "m.room.message", edit)).ok()
        new = await say(alice, room_id, "new")
        path = f"{in_room(room_id)}/event/{part(root)}"
        assert (await alice.get(path)).ok()["unsigned"]["m.relations"].keys() == {"m.thread", "m.replace"}
        pos = (await w.servers[ONE].rooms.cache.by_id([new]))[new].pos or 0
        doomed = Doomed(before=pos, local_too=False)
        assert await w.servers[ONE].rooms.purge_history.purge(room_id, doomed) == 1
        for _ in range(2):
            assert (await alice.get(path)).ok()["unsigned"]["m.relations"].keys() == {"m.replace"}
            w.servers[ONE].rooms.cache.clear()

    played(tmp_path, play)
