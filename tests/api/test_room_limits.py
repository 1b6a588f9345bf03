"""How often users may send, join, invite and create rooms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running

TWICE = {"per_second": 0.001, "burst_count": 2}
OFTEN = {"per_second": 1000, "burst_count": 1000}


def limited(answer: Answer) -> None:
    error = answer.refused(429, "M_LIMIT_EXCEEDED")
    assert error["retry_after_ms"] > 0
    assert int(answer.headers["retry-after"]) > 0


def server(tmp_path: Path, **options: object) -> Any:
    return running({"name": "sqlite3", "args": {"database": str(tmp_path / "limits.db")}}, **options)


async def people(homeserver: Homeserver, *names: str) -> list[Client]:
    return [await homeserver.register(name) for name in names]


async def test_events_are_limited_per_sender(tmp_path: Path) -> None:
    async with server(tmp_path, rc_message=TWICE) as homeserver:
        alice, bob = await people(homeserver, "alice", "bob")
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        target = await alice.say(room_id, "1")
        (await alice.set_state(room_id, "m.room.topic", {"topic": "2"})).ok()
        limited(await alice.send(room_id, "m.room.message", {"body": "3"}))
        limited(await alice.redact(room_id, target))
        limited(await alice.set_state(room_id, "m.room.topic", {"topic": "3"}))
        await bob.say(room_id, "1")


async def test_creating_rooms_is_limited(tmp_path: Path) -> None:
    async with server(tmp_path, rc_room_creation=TWICE) as homeserver:
        (alice,) = await people(homeserver, "alice")
        await alice.create_room()
        await alice.create_room()
        limited(await alice.post("/createRoom", {}))


async def test_joins_are_limited_per_user_whichever_way_they_come(tmp_path: Path) -> None:
    async with server(tmp_path, rc_joins={"local": TWICE, "remote": TWICE}) as homeserver:
        alice, bob = await people(homeserver, "alice", "bob")
        rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
        (await bob.act(rooms[0], "join")).ok()
        (await bob.set_state(rooms[1], "m.room.member", {"membership": "join"}, bob.user_id)).ok()
        limited(await bob.act(rooms[2], "join"))
        limited(await bob.set_state(rooms[2], "m.room.member", {"membership": "join"}, bob.user_id))


async def test_joins_are_limited_per_room(tmp_path: Path) -> None:
    async with server(tmp_path, rc_joins_per_room=TWICE) as homeserver:
        alice, *others = await people(homeserver, "alice", "bob", "carol", "dave")
        room_id, other_room = [await alice.create_room(preset="public_chat") for _ in range(2)]
        for client in others[:2]:
            (await client.act(room_id, "join")).ok()
        limited(await others[2].act(room_id, "join"))
        (await others[2].act(other_room, "join")).ok()


INVITES: list[tuple[str, Mapping[str, object]]] = [
    (name, {**dict.fromkeys(("per_room", "per_user", "per_issuer"), OFTEN), name: TWICE})
    for name in ("per_room", "per_user", "per_issuer")
]


@pytest.mark.parametrize(("name", "limits"), INVITES)
async def test_invitations_are_limited(tmp_path: Path, name: str, limits: Mapping[str, object]) -> None:
    async with server(tmp_path, rc_invites=limits) as homeserver:
        alice, bob, carol, dave = await people(homeserver, "alice", "bob", "carol", "dave")
        one, two, three = [await alice.create_room() for _ in range(3)]
        if name == "per_user":
            attempts = [(one, bob), (two, bob), (three, bob)]
        else:
            attempts = [(one, bob), (one, carol), (one, dave)]
        for room_id, target in attempts[:2]:
            (await alice.act(room_id, "invite", user_id=target.user_id)).ok()
        room_id, target = attempts[2]
        limited(await alice.act(room_id, "invite", user_id=target.user_id))
        limited(await alice.set_state(room_id, "m.room.member", {"membership": "invite"}, target.user_id))


async def test_invitations_into_a_new_room_count(tmp_path: Path) -> None:
    async with server(tmp_path, rc_invites={"per_room": TWICE, "per_user": OFTEN, "per_issuer": OFTEN}) as homeserver:
        alice, bob, carol, dave = await people(homeserver, "alice", "bob", "carol", "dave")
        await alice.create_room(invite=[bob.user_id, carol.user_id])
        everyone = [client.user_id for client in (bob, carol, dave)]
        limited(await alice.post("/createRoom", {"invite": everyone}))
