"""How many of our own functions an operation runs through: what is not called costs nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import ranvier
from tests.api.asgi import Client

OURS = str(Path(ranvier.__file__).parent)


class Calls:
    """The number of calls of the package's functions, on this thread."""

    number = 0


@contextmanager
def counting() -> Iterator[Calls]:
    calls = Calls()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls.number += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A room that is warm: two members, both have sent."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    for client in (alice, bob):
        await client.say(room_id, "warm")
    return room_id


async def test_a_message(alice: Client, room_id: str) -> None:
    with counting() as calls:
        await alice.say(room_id, "hello")
    # A tenth of them works out whom the message notifies, once for everybody who has the default rules.
    assert calls.number <= 445


async def test_a_state_event(alice: Client, room_id: str) -> None:
    with counting() as calls:
        (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    # The topic is part of how the room looks from outside, which is written with it; the user directory looks at it twice.
    assert calls.number <= 600


async def test_a_room(alice: Client, room_id: str) -> None:
    with counting() as calls:
        await alice.create_room(name="x")
    assert calls.number <= 1790


async def test_a_sync_with_nothing_new(bob: Client, room_id: str) -> None:
    since = (await bob.get("/sync", timeout="0")).ok()["next_batch"]
    since = (await bob.get("/sync", timeout="0", since=since)).ok()["next_batch"]
    with counting() as calls:
        (await bob.get("/sync", timeout="0", since=since)).ok()
    assert calls.number <= 80


async def test_a_sync_with_one_message(alice: Client, bob: Client, room_id: str) -> None:
    since = (await bob.get("/sync", timeout="0")).ok()["next_batch"]
    since = (await bob.get("/sync", timeout="0", since=since)).ok()["next_batch"]
    await alice.say(room_id, "news")
    with counting() as calls:
        (await bob.get("/sync", timeout="0", since=since)).ok()
    assert calls.number <= 250
