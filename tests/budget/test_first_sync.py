"""What a first sync of many rooms may cost the database."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.device import filtered
from tests.api.homeserver import Homeserver, running
from tests.budget.test_statements import Spent, spending

ROOMS = 60
LAZY = filtered(room={"state": {"lazy_load_members": True}})


async def make_rooms(alice: Client, bob: Client) -> None:
    """Some with names, some without; both have spoken in each, and something in it was changed."""
    for number in range(ROOMS):
        named = {"name": f"Room {number}"} if number % 2 else {}
        room_id = await alice.create_room(preset="public_chat", **named)
        (await bob.act(room_id, "join")).ok()
        for text in ("first", "second"):
            (await alice.set_state(room_id, "m.room.topic", {"topic": text})).ok()
        for client in (alice, bob):
            await client.say(room_id, "hello")


async def first_sync(client: Client, **query: str) -> Any:
    return (await client.get("/sync", timeout="0", **query)).ok()["rooms"]["join"]


@pytest.mark.parametrize("query", [LAZY, {}], ids=["lazy", "all members"])
async def test_after_a_start(db_config: Mapping[str, Any], query: dict[str, str]) -> None:
    async with running(db_config) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        await make_rooms(alice, bob)
    async with running(db_config) as server:
        alice, bob = alice.at(server.app), bob.at(server.app)
        async with spending(server.db) as cold:
            assert len(await first_sync(alice, **query)) == ROOMS
        per_room = 2 if query else 3
        # And what belongs to the user, and is read once.
        assert cold.statements <= per_room * ROOMS + 30
        assert cold.write_transactions == 0
        async with spending(server.db) as other:
            assert len(await first_sync(bob, **query)) == ROOMS
        assert other.statements <= 20
        async with spending(server.db) as warm:
            for client in (bob, alice):
                assert len(await first_sync(client, **query)) == ROOMS
        assert warm == Spent()


async def test_of_rooms_that_are_active(homeserver: Homeserver, alice: Client, bob: Client) -> None:
    await make_rooms(alice, bob)
    async with spending(homeserver.db) as spent:
        assert len(await first_sync(alice, **LAZY)) == ROOMS
    assert spent.statements <= 20
