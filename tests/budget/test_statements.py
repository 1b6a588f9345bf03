"""What operations may cost the database: statements and transactions, counted at the HTTP level."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from ranvier.db.engine import Counters, Database
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver


@dataclass
class Spent:
    """What was spent inside a block; known when it has been left."""

    statements: int = 0
    write_transactions: int = 0
    read_transactions: int = 0


@asynccontextmanager
async def spending(db: Database) -> AsyncIterator[Spent]:
    before = Counters(db.counters.statements, db.counters.write_transactions, db.counters.read_transactions)
    spent = Spent()
    yield spent
    spent.statements = db.counters.statements - before.statements
    spent.write_transactions = db.counters.write_transactions - before.write_transactions
    spent.read_transactions = db.counters.read_transactions - before.read_transactions


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A room that is warm: two members, some messages, everyone has sent."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    for client in (alice, bob):
        await client.say(room_id, "warm")
    return room_id


async def test_a_message_in_a_warm_room(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    async with spending(homeserver.db) as spent:
        await alice.say(room_id, "hello")
    assert spent.statements <= 12
    assert spent.write_transactions <= 1
    assert spent.read_transactions == 0


async def test_a_state_event_in_a_warm_room(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    async with spending(homeserver.db) as spent:
        (await alice.set_state(room_id, "m.room.topic", {"topic": "y"})).ok()
    assert spent.statements <= 12
    assert spent.write_transactions <= 1
    assert spent.read_transactions == 0


async def test_a_repeated_message_costs_nothing(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    await alice.send(room_id, "m.room.message", {"body": "x"}, txn_id="again")
    async with spending(homeserver.db) as spent:
        (await alice.send(room_id, "m.room.message", {"body": "x"}, txn_id="again")).ok()
    assert spent == Spent()


async def test_a_room_is_created_in_one_transaction(homeserver: Homeserver, alice: Client, bob: Client) -> None:
    await alice.create_room()
    async with spending(homeserver.db) as spent:
        await alice.create_room(name="Tea", topic="x", invite=[bob.user_id], room_alias_name="tea")
    assert spent.write_transactions == 1
    assert spent.read_transactions == 0
    assert spent.statements <= 24


async def test_the_cost_of_a_message_does_not_grow_with_the_room(
    homeserver: Homeserver, alice: Client, room_id: str
) -> None:
    async with spending(homeserver.db) as small:
        await alice.say(room_id, "small")
    for n in range(20):
        (await (await homeserver.register(f"member{n}")).act(room_id, "join")).ok()
    await alice.say(room_id, "warm")
    async with spending(homeserver.db) as large:
        await alice.say(room_id, "large")
    assert large == small


async def sync(client: Client, since: str | None = None) -> str:
    answer = await client.get("/sync", timeout="0", **({} if since is None else {"since": since}))
    token: str = answer.ok()["next_batch"]
    return token


async def test_a_sync_with_nothing_new(homeserver: Homeserver, bob: Client, room_id: str) -> None:
    since = await sync(bob, await sync(bob))
    async with spending(homeserver.db) as spent:
        await sync(bob, since)
    assert spent == Spent()


async def test_a_sync_with_one_new_message(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    since = await sync(bob, await sync(bob))
    await alice.say(room_id, "news")
    async with spending(homeserver.db) as spent:
        answer = (await bob.get("/sync", since=since, timeout="0")).ok()
    assert answer["rooms"]["join"][room_id]["timeline"]["events"][0]["content"]["body"] == "news"
    assert spent.statements <= 3
    assert spent.write_transactions == 0
    assert spent.read_transactions == 0


@pytest.mark.parametrize("path", ["/account/whoami", "/joined_rooms"])
async def test_small_reads(homeserver: Homeserver, alice: Client, room_id: str, path: str) -> None:
    await alice.get(path)
    async with spending(homeserver.db) as spent:
        (await alice.get(path)).ok()
    assert spent.statements <= 2
    assert spent.write_transactions == 0


async def test_all_members_are_one_statement_and_then_none(
    homeserver: Homeserver, alice: Client, bob: Client, room_id: str
) -> None:
    path = f"/rooms/{quote(room_id)}/members"
    await alice.get("/account/whoami")
    for statements in (1, 0):
        async with spending(homeserver.db) as spent:
            chunk = (await alice.get(path)).ok()["chunk"]
        assert {event["state_key"] for event in chunk} == {alice.user_id, bob.user_id}
        assert spent == Spent(statements=statements)
    # A change of the members is followed in memory.
    (await bob.act(room_id, "leave")).ok()
    async with spending(homeserver.db) as spent:
        chunk = (await alice.get(path)).ok()["chunk"]
    assert {event["state_key"]: event["content"]["membership"] for event in chunk} == {
        alice.user_id: "join",
        bob.user_id: "leave",
    }
    assert spent == Spent()
