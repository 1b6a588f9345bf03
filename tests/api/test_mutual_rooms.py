"""Rooms that two users are both in."""

import pytest

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver

PATHS = ["/_matrix/client/v1/mutual_rooms", "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms"]


async def shared(client: Client, user_id: str, path: str = PATHS[0], **query: str) -> Answer:
    return await client.request("GET", path, query={"user_id": user_id, **query})


@pytest.mark.parametrize("path", PATHS)
async def test_rooms_in_common(alice: Client, bob: Client, carol: Client, path: str) -> None:
    rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
    for room_id in rooms[:2]:
        (await bob.act(room_id, "join")).ok()
    (await bob.act(rooms[1], "leave")).ok()
    (await alice.act(rooms[2], "invite", user_id=bob.user_id)).ok()
    (await carol.act(rooms[2], "join")).ok()
    for one, other in ((alice, bob), (bob, alice)):
        assert (await shared(one, other.user_id, path)).ok() == {"joined": [rooms[0]], "count": 1}
    assert (await shared(bob, carol.user_id, path)).ok() == {"joined": [], "count": 0}
    assert (await shared(alice, "@nobody:else.where", path)).ok() == {"joined": [], "count": 0}


async def test_odd_questions(alice: Client, bob: Client) -> None:
    for user_id in (alice.user_id, "nonsense", "@:else.where", ""):
        (await shared(alice, user_id)).refused(400, "M_INVALID_PARAM")
    (await alice.request("GET", PATHS[0])).refused(400, "M_MISSING_PARAM")
    (await shared(alice, bob.user_id, **{"from": "x"})).refused(400, "M_INVALID_PARAM")


async def test_pages(alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranvier.rooms.mutual.LIMIT", 2)
    rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
    for room_id in rooms:
        (await bob.act(room_id, "join")).ok()
    first = (await shared(alice, bob.user_id)).ok()
    assert (first["joined"], first["count"]) == (rooms[:2], 3)
    last = (await shared(alice, bob.user_id, **{"from": first["next_batch"]})).ok()
    assert last == {"joined": rooms[2:], "count": 3}


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice, bob = [await homeserver_on_each.register(name) for name in ("alice", "bob")]
    rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
    (await bob.act(rooms[1], "join")).ok()
    before = homeserver_on_each.db.counters.statements
    assert (await shared(alice, bob.user_id)).ok() == {"joined": [rooms[1]], "count": 1}
    assert homeserver_on_each.db.counters.statements - before <= 3
