"""What reading history may cost the database."""

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A room in which two members have said a lot."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    for n in range(60):
        await alice.say(room_id, f"a{n}")
        await bob.say(room_id, f"b{n}")
    return room_id


async def test_a_page_of_a_hundred_events(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    before = homeserver.db.counters.statements
    found = await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="100")
    assert len(found.ok()["chunk"]) == 100
    assert homeserver.db.counters.statements - before <= 2


async def test_a_page_with_its_members(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    before = homeserver.db.counters.statements
    choice = '{"lazy_load_members": true}'
    found = await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="100", filter=choice)
    assert len(found.ok()["state"]) == 2
    assert homeserver.db.counters.statements - before <= 4


async def test_an_event_with_its_surroundings(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "here")
    before = homeserver.db.counters.statements
    (await alice.get(f"{in_room(room_id)}/context/{part(event_id)}", limit="20")).ok()
    assert homeserver.db.counters.statements - before <= 6
