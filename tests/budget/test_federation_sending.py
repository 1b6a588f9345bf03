"""What sending to other servers may cost: a room of 200 servers, each of which gets every event."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from ranvier.store.events import StoredEvent
from tests.api.asgi import Client
from tests.budget.conftest import BACKGROUND, stop_background
from tests.budget.test_calls import counting
from tests.budget.test_statements import spending
from tests.federation.peers import Place, place
from tests.plays.virtual_loop import run_virtually

SERVERS = [f"s{number}.test" for number in range(200)]
Act = Callable[[Place, Client, str], Coroutine[None, None, None]]
Run = Callable[[Act], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs something in a warm room of 200 servers."""

    async def go(act: Act) -> None:
        async with place(tmp_path) as at:
            assert at.homeserver is not None
            stop_background(*BACKGROUND - {"sender", "health of servers"})
            client = await at.homeserver.register("alice")
            room = await at.room(client.user_id, *(f"@u:{server}" for server in SERVERS))
            await client.say(room.room_id, "warm")
            await asyncio.sleep(60)
            await at.sender.flush()
            await act(at, client, room.room_id)

    return lambda act: run_virtually(go(act))


@asynccontextmanager
async def counting_encodings(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """Everything that is turned into JSON meanwhile."""
    made: list[bytes] = []
    real = orjson.dumps

    def dumps(*args: object, **options: object) -> bytes:
        result: bytes = real(*args, **options)  # type: ignore[arg-type]
        made.append(result)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(orjson, "dumps", dumps)
        yield made


def test_sending_costs_no_statement(run: Run) -> None:
    async def act(at: Place, client: Client, room_id: str) -> None:
        async with spending(at.server.db) as spent:
            await client.say(room_id, "hello")
        assert (spent.statements, spent.write_transactions) == (3, 1)
        async with spending(at.server.db) as spent:
            await asyncio.sleep(3)
        assert all(at.peers.events(server)[-1] == "hello" for server in SERVERS)
        assert (spent.statements, spent.write_transactions) == (0, 0)

    run(act)


def test_writing_down_who_has_got_what_is_one_transaction(run: Run) -> None:
    async def act(at: Place, client: Client, room_id: str) -> None:
        for number in range(20):
            await client.say(room_id, f"{number}")
        await asyncio.sleep(3)
        async with spending(at.server.db) as spent:
            await at.sender.flush()
        assert (spent.statements, spent.write_transactions) == (2, 1)
        async with spending(at.server.db) as spent:
            await at.sender.flush()
            await asyncio.sleep(30)
        assert (spent.statements, spent.write_transactions) == (0, 0)

    run(act)


def test_an_event_is_turned_into_json_once_for_all_servers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(at: Place, client: Client, room_id: str) -> None:
        await client.say(room_id, "only once")
        async with counting_encodings(monkeypatch) as made:
            at.sender.queue_edu(SERVERS, "m.typing", {"says": "only once, too"})
            await asyncio.sleep(3)
        assert all(at.peers.events(server)[-1] == "only once" for server in SERVERS)
        assert all(at.peers.edus(server)[-1]["content"] == {"says": "only once, too"} for server in SERVERS)
        assert not [json for json in made if b'"only once"' in json]
        assert len([json for json in made if b'"only once, too"' in json]) == 1
        stored: StoredEvent = (await at.server.rooms.rooms.get(room_id)).extremities[0]
        bodies = [b"".join(sent.body for sent in at.peers.taken[server]) for server in SERVERS]
        assert all(body.count(stored.event.json) == 1 for body in bodies)

    run(act)


def test_queueing_for_200_servers_is_cheap(run: Run) -> None:
    """The request of whoever sends does not pay for the servers, except for a place in each queue."""

    async def act(at: Place, client: Client, room_id: str) -> None:
        at.peers.delay_s = 1000
        await client.say(room_id, "everybody is busy")
        await asyncio.sleep(10)
        with counting() as calls:
            await client.say(room_id, "hello")
        assert calls.number <= 450 + 3 * len(SERVERS)

    run(act)


def test_servers_that_are_away_cost_nothing(run: Run) -> None:
    async def act(at: Place, client: Client, room_id: str) -> None:
        at.peers.down = set(SERVERS)
        await client.say(room_id, "nobody hears")
        await asyncio.sleep(1500)
        await at.sender.flush()
        tried = [len(at.peers.tried[server]) for server in SERVERS]
        for number in range(1200):
            await client.say(room_id, f"{number}")
        await asyncio.sleep(3)
        assert [len(at.peers.tried[server]) for server in SERVERS] == tried
        # More than a thousand wait: they are not held in memory any more.
        assert sum(at.sender.waiting(server) for server in SERVERS) == 0

    run(act)
