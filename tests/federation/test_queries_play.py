"""Real servers ask each other, for people who look beyond their own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, heard, say, world

ONE, TWO, THREE = "one.test", "two.test", "three.test"

Play = Callable[[World, Client, Client], Awaitable[None]]


def played(folder: Path, play: Play, **options: Any) -> None:
    """Let a play run, with alice on one server and bob on another."""

    async def run() -> None:
        async with world(1, folder) as w:
            w.options = {"allow_public_rooms_over_federation": True, **options}
            await w.start(ONE)
            await w.start(TWO)
            await play(w, await w.user("alice", ONE), await w.user("bob", TWO))

    run_virtually(run())


async def v1(client: Client, path: str, **query: str | list[str]) -> Any:
    return (await client.request("GET", f"/_matrix/client/v1/{path}", query=query)).ok()


def test_profiles(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        (await alice.put(f"/profile/{part(alice.user_id)}/displayname", {"displayname": "Alice"})).ok()
        assert (await bob.get(f"/profile/{part(alice.user_id)}")).ok() == {"displayname": "Alice"}
        (await bob.get(f"/profile/{part(f'@nobody:{ONE}')}")).refused(404, "M_NOT_FOUND")
        (await bob.get(f"/profile/{part('@x:nowhere.test')}")).refused(502, "M_UNKNOWN")

    played(tmp_path, play)


def test_aliases_and_directories(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        room_id = await alice.create_room(
            preset="public_chat", visibility="public", room_alias_name="den", name="The den"
        )
        answer = (await bob.get(f"/directory/room/{part(f'#den:{ONE}')}")).ok()
        assert answer == {"room_id": room_id, "servers": [ONE]}
        page = (await bob.get("/publicRooms", server=ONE)).ok()
        assert [(room["room_id"], room["name"]) for room in page["chunk"]] == [(room_id, "The den")]
        search = {"filter": {"generic_search_term": "nothing like it"}}
        page = (await bob.request("POST", f"/_matrix/client/v3/publicRooms?server={ONE}", search)).ok()
        assert page["chunk"] == []
        (await bob.post(f"/join/{part(f'#den:{ONE}')}")).ok()
        await w.settle()
        answer = (await bob.get(f"/directory/room/{part(f'#den:{ONE}')}")).ok()
        assert answer == {"room_id": room_id, "servers": [ONE, TWO]}

    played(tmp_path, play)


@pytest.mark.parametrize("version", ["9", "12"])
def test_spaces(tmp_path: Path, version: str) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        options = {"preset": "public_chat", "room_version": version}
        inner = await alice.create_room(**options, name="Inner")
        await asyncio.sleep(1)  # Rooms of version 12 that begin alike at the same time are the same room.
        hidden = await alice.create_room(preset="private_chat", room_version=version)
        await asyncio.sleep(1)
        allow = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": inner}]}
        rules = [{"type": "m.room.join_rules", "content": allow}]
        restricted = await alice.create_room(preset="private_chat", room_version=version, initial_state=rules)
        await asyncio.sleep(1)
        space = await alice.create_room(**options, creation_content={"type": "m.space"}, name="Space")
        for child in (inner, hidden, restricted):
            (await alice.set_state(space, "m.space.child", {"via": [ONE]}, child)).ok()
        root = await bob.create_room(creation_content={"type": "m.space"})
        (await bob.set_state(root, "m.space.child", {"via": [ONE]}, space)).ok()

        async def tree() -> set[str]:
            return {room["room_id"] for room in (await v1(bob, f"rooms/{part(root)}/hierarchy"))["rooms"]}

        assert await tree() == {root, space, inner}
        summary = await v1(bob, f"room_summary/{part(space)}", via=ONE)
        assert (summary["name"], summary["room_type"], summary["membership"]) == ("Space", "m.space", "leave")
        (await bob.post(f"/join/{part(inner)}?via={ONE}")).ok()
        await w.settle()
        assert await tree() == {root, space, inner, restricted}

    played(tmp_path, play)


def test_history_that_was_not_for_them(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        await w.start(THREE)
        carol = await w.user("carol", THREE)
        visibility = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
        room_id = await alice.create_room(preset="public_chat", initial_state=[visibility])
        (await bob.post(f"/join/{part(room_id)}?via={ONE}")).ok()
        await w.settle()
        await say(alice, room_id, "secret")
        await w.settle()
        (await carol.post(f"/join/{part(room_id)}?via={ONE}")).ok()
        await w.settle()
        await say(alice, room_id, "for all")
        await w.settle()
        assert await heard(bob, room_id) == ["for all", "secret"]
        assert await heard(carol, room_id) == ["for all"]
        # Nor has it come to her server.
        rows = await w.servers[THREE].db.all("SELECT json FROM events")
        assert not any(b"secret" in bytes(row[0]) for row in rows)
        assert any(b"secret" in bytes(row[0]) for row in await w.servers[TWO].db.all("SELECT json FROM events"))

    played(tmp_path, play)


def test_events_by_time(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        ids = [await say(alice, room_id, f"old {number}") for number in range(3)]
        event = (await alice.get(f"{in_room(room_id)}/event/{part(ids[1])}")).ok()
        (await bob.post(f"/join/{part(room_id)}?via={ONE}")).ok()
        await w.settle()
        ts = str(event["origin_server_ts"])
        found = await v1(bob, f"rooms/{part(room_id)}/timestamp_to_event", ts=ts, dir="f")
        assert found["origin_server_ts"] == event["origin_server_ts"]
        shown = (await bob.get(f"{in_room(room_id)}/event/{part(found['event_id'])}")).ok()
        assert shown["room_id"] == room_id
        (await bob.get(f"{in_room(room_id)}/context/{part(found['event_id'])}")).ok()
        assert await heard(bob, room_id) == ["old 2", "old 1", "old 0"]
        await w.check_agreement(room_id, [ONE, TWO])

    played(tmp_path, play)


def test_kept_out(tmp_path: Path) -> None:
    async def play(w: World, alice: Client, bob: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        await say(alice, room_id, "old")
        (await bob.post(f"/join/{part(room_id)}?via={ONE}")).ok()
        await w.settle()
        acl = {"allow": ["*"], "deny": [TWO]}
        (await alice.set_state(room_id, "m.room.server_acl", acl)).ok()
        await w.settle()
        assert await heard(bob, room_id) == []
        assert await heard(alice, room_id) == ["old"]

    played(tmp_path, play)
