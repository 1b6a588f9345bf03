"""The event nearest to a moment."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver
from tests.api.own_clock import OwnClock, running_at

V1 = "/_matrix/client/v1"
UNSTABLE = "/_matrix/client/unstable/org.matrix.msc3030"
NOON = 1_700_000_000_000


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock(NOON)


@pytest.fixture
async def homeserver(clock: OwnClock, tmp_path: Path) -> AsyncIterator[Homeserver]:
    async with running_at(clock, tmp_path) as server:
        yield server


async def ask(client: Client, room_id: str, ts: int, dir: str, *, prefix: str = V1) -> Answer:
    path = f"{prefix}{in_room(room_id)}/timestamp_to_event"
    return await client.request("GET", path, query={"ts": str(ts), "dir": dir})


async def near(client: Client, room_id: str, ts: int, dir: str) -> str | None:
    answer = await ask(client, room_id, ts, dir)
    if answer.status == 404:
        answer.refused(404, "M_NOT_FOUND")
        return None
    event_id: str = answer.ok()["event_id"]
    return event_id


async def say_at(client: Client, clock: OwnClock, room_id: str, ts: int) -> str:
    clock.now = ts
    return await client.say(room_id, f"at {ts}")


async def test_forwards_and_backwards(alice: Client, clock: OwnClock) -> None:
    room_id = await alice.create_room()
    first, second = [await say_at(alice, clock, room_id, NOON + offset) for offset in (1000, 2000)]
    assert (await ask(alice, room_id, NOON + 1000, "f")).ok() == {
        "event_id": first,
        "origin_server_ts": NOON + 1000,
    }
    assert (await ask(alice, room_id, NOON + 1, "f", prefix=UNSTABLE)).ok()["event_id"] == first
    assert await near(alice, room_id, NOON + 1001, "f") == second
    assert await near(alice, room_id, NOON + 1999, "b") == first
    assert await near(alice, room_id, NOON + 2000, "b") == second
    assert await near(alice, room_id, 2**53, "b") == second
    assert await near(alice, room_id, NOON + 2001, "f") is None
    assert await near(alice, room_id, NOON - 1, "b") is None
    assert await near(alice, room_id, -5, "f") is not None


async def test_long_rooms_with_clocks_that_differ(alice: Client, clock: OwnClock) -> None:
    room_id = await alice.create_room()
    other = await alice.create_room()
    draw = random.Random(7)
    sent = {}
    for number in range(400):
        ts = NOON + 1000 * (number + 1) + draw.randrange(-3000, 3000)
        sent[ts] = await say_at(alice, clock, room_id, ts)
        await alice.say(other, "noise")
    for ts in [draw.randrange(NOON + 10_000, NOON + 380_000) for _ in range(40)]:
        assert await near(alice, room_id, ts, "f") == sent[min(at for at in sent if at >= ts)]
        assert await near(alice, room_id, ts, "b") == sent[max(at for at in sent if at <= ts)]


async def test_it_is_found_without_reading_the_room(homeserver: Homeserver, alice: Client, clock: OwnClock) -> None:
    room_id = await alice.create_room()
    for number in range(1, 500):
        await say_at(alice, clock, room_id, NOON + number)
    before = homeserver.db.counters.statements
    await near(alice, room_id, NOON + 250, "f")
    assert homeserver.db.counters.statements - before <= 16


async def test_only_what_one_may_see(alice: Client, bob: Client, clock: OwnClock) -> None:
    room_id = await alice.create_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}],
    )
    for number in range(1, 250):
        await say_at(alice, clock, room_id, NOON + number)
    (await ask(bob, room_id, NOON, "f")).refused(403, "M_FORBIDDEN")
    clock.now = NOON + 1000
    (await bob.act(room_id, "join")).ok()
    said = await say_at(bob, clock, room_id, NOON + 2000)
    join = (await bob.state(room_id, "m.room.member", bob.user_id, format="event")).ok()
    assert await near(bob, room_id, NOON + 1, "f") == join["event_id"]
    # What was sent before the room was closed to those who come later.
    assert (await ask(bob, room_id, NOON + 500, "b")).ok()["origin_server_ts"] == NOON
    clock.now = NOON + 3000
    (await bob.act(room_id, "leave")).ok()
    await say_at(alice, clock, room_id, NOON + 4000)
    assert await near(bob, room_id, NOON + 1500, "f") == said
    assert await near(bob, room_id, NOON + 3500, "f") is None
    (await bob.get(f"{in_room(room_id)}/context/{part(said)}")).ok()


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"dir": "f"}, "M_MISSING_PARAM"),
        ({"ts": "1"}, "M_MISSING_PARAM"),
        ({"ts": "1", "dir": "x"}, "M_INVALID_PARAM"),
        ({"ts": "x", "dir": "f"}, "M_INVALID_PARAM"),
        ({"ts": "9" * 30, "dir": "f"}, "M_INVALID_PARAM"),
    ],
)
async def test_odd_questions(alice: Client, query: dict[str, str], errcode: str) -> None:
    room_id = await alice.create_room()
    path = f"{V1}{in_room(room_id)}/timestamp_to_event"
    (await alice.request("GET", path, query=query)).refused(400, errcode)
