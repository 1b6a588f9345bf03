"""What relations may cost the database."""

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver
from tests.budget.test_statements import spending


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    for client in (alice, bob):
        await client.say(room_id, "warm")
    return room_id


async def relate(client: Client, room_id: str, parent: str, rel_type: str, key: str = "") -> str:
    content = {"m.new_content": {}, "m.relates_to": {"rel_type": rel_type, "event_id": parent, "key": key}}
    event_id: str = (await client.send(room_id, "m.room.message", content)).ok()["event_id"]
    return event_id


async def read(client: Client, room_id: str) -> None:
    (await client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()


async def test_a_related_message_costs_one_statement_more(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "x")
    async with spending(homeserver.db) as plain:
        await alice.say(room_id, "x")
    for rel_type, more in (("m.replace", 1), ("m.thread", 1), ("m.annotation", 2)):
        async with spending(homeserver.db) as related:
            await relate(alice, room_id, parent, rel_type)
        assert related.statements <= min(plain.statements + more, 12)
        assert related.write_transactions <= 1


async def test_a_page_with_relations_costs_no_more_unless_a_child_was_redacted(
    homeserver: Homeserver, alice: Client, bob: Client, room_id: str
) -> None:
    parents = [await alice.say(room_id, str(n)) for n in range(20)]
    await read(bob, room_id)
    async with spending(homeserver.db) as plain:
        await read(bob, room_id)
    for parent in parents:
        await relate(alice, room_id, parent, "m.replace")
        await relate(bob, room_id, parent, "m.thread")
    await read(alice, room_id)
    async with spending(homeserver.db) as again:
        await read(alice, room_id)
    assert again.statements == plain.statements
    await relate(alice, room_id, parents[0], "m.replace")
    async with spending(homeserver.db) as changed:
        await read(alice, room_id)
    assert changed.statements == plain.statements
    (await alice.redact(room_id, await relate(alice, room_id, parents[0], "m.replace"))).ok()
    async with spending(homeserver.db) as changed:
        await read(alice, room_id)
    assert changed.statements <= plain.statements + 1


async def test_reactions_cost_readers_nothing(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "x")
    await relate(bob, room_id, parent, "m.annotation", "1")
    await read(bob, room_id)
    async with spending(homeserver.db) as before:
        await read(bob, room_id)
    await relate(bob, room_id, parent, "m.annotation", "2")
    async with spending(homeserver.db) as after:
        await read(bob, room_id)
    assert after == before


async def test_children_of_an_event(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "x")
    for _ in range(30):
        await relate(alice, room_id, parent, "m.thread")
    path = f"/_matrix/client/v1{in_room(room_id)}/relations/{part(parent)}"
    (await alice.request("GET", path)).ok()
    async with spending(homeserver.db) as spent:
        (await alice.request("GET", path, query={"limit": "30"})).ok()
    assert spent.statements <= 1


async def test_threads_of_a_room(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    for _ in range(20):
        await relate(alice, room_id, await alice.say(room_id, "x"), "m.thread")
    path = f"/_matrix/client/v1{in_room(room_id)}/threads"
    (await alice.request("GET", path)).ok()
    async with spending(homeserver.db) as spent:
        assert len((await alice.request("GET", path)).ok()["chunk"]) == 20
    assert spent.statements <= 1
