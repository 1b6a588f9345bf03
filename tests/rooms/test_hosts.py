"""The servers in a room, now and earlier, counted against the whole state."""

import asyncio
from random import Random

import pytest

from ranvier.ports import SystemClock
from ranvier.proto.ids import domain_of
from ranvier.rooms import hosts as module
from ranvier.rooms.accept import Arrival
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.room import Room
from ranvier.state.history import known_state
from tests.api.asgi import Client, in_room
from tests.api.homeserver import SERVER_NAME, Homeserver
from tests.rooms.remote_room import RemoteRoom


def hosts_of(server: Homeserver, *, listening: bool = True) -> Hosts:
    """A count of our own."""
    rooms = server.server.rooms
    hosts = Hosts(rooms=rooms.rooms, clock=SystemClock())
    if listening:
        rooms.appender.listeners.append(hosts.on_commit)
    return hosts


async def room_of(server: Homeserver, room_id: str) -> Room:
    return await server.server.rooms.rooms.get(room_id)


async def counted(server: Homeserver, room: Room, state_no: int) -> frozenset[str]:
    """What the state itself says."""
    state = await room.history.load_state(known_state(state_no))
    events = await server.server.rooms.cache.get(list(state.values()))
    return frozenset(
        domain_of(stored.event.state_key or "")
        for stored in events.values()
        if stored.event.type == "m.room.member" and stored.event.membership == "join"
    )


async def test_a_room_of_ours(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    hosts = hosts_of(server)
    room_id = (await alice.post("/createRoom", {"invite": ["@x:invited.test"]})).ok()["room_id"]
    room = await room_of(server, room_id)
    before = server.db.counters.statements
    assert await hosts.of(room) == {SERVER_NAME}
    assert hosts.known(room.room_nid) is await hosts.of(room)
    assert server.db.counters.statements == before  # It has been there from the beginning.
    assert await hosts_of(server).of(room) == {SERVER_NAME}
    (await alice.post(f"{in_room(room_id)}/leave", {})).ok()
    assert await hosts.of(room) == frozenset() == await hosts_of(server).of(room)


async def test_cold_is_one_statement_and_warm_is_none(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    remote = RemoteRoom()
    for number in range(50):
        remote.join(f"@u{number}:s{number % 7}.test")
    await remote.let_in(server, alice.user_id)
    room = await room_of(server, remote.room_id)
    hosts = hosts_of(server)
    await server.server.federation.edus.device_lists.settled()
    assert hosts.known(room.room_nid) is None
    before = server.db.counters.statements
    found = await asyncio.gather(*(hosts.of(room) for _ in range(5)))
    assert server.db.counters.statements - before == 1
    assert set(found) == {frozenset({SERVER_NAME, "remote.test", *(f"s{number}.test" for number in range(7))})}
    await alice.send(remote.room_id, "m.room.message", {"body": "x", "msgtype": "m.text"})
    assert await hosts.of(room) is found[0]


async def test_a_large_room_is_counted_in_parts(
    homeserver_on_each: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 8)
    server = homeserver_on_each
    alice = await server.register("alice")
    remote = RemoteRoom()
    for number in range(45):
        user_id = f"@u{number}:s{number % 9}.test"
        remote.join(user_id)
        if number % 3 == 0:
            remote.tell("m.room.member", {"membership": "leave"}, sender=user_id, state_key=user_id)
    await remote.let_in(server, alice.user_id)
    room = await room_of(server, remote.room_id)
    hosts = hosts_of(server)
    expected = await counted(server, room, room.state_no)
    assert await hosts.of(room) == expected
    assert "s0.test" not in expected and "s1.test" in expected


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_is_counted_as_the_state_says(
    homeserver_on_each: Homeserver, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joins and leaves in branches that meet, counted by who has listened, who begins in between, and who counts in parts."""
    if seed % 2:
        monkeypatch.setattr(module, "PAGE", 4)
    random = Random(seed)
    server = homeserver_on_each
    alice = await server.register("alice")
    remote = RemoteRoom()
    users = [f"@u{number}:s{number % 4}.test" for number in range(10)]
    await remote.let_in(server, alice.user_id)
    room = await room_of(server, remote.room_id)
    listening = [hosts_of(server)]
    await listening[0].of(room)
    states = {room.state_no}
    tips = [remote.tip]
    loading: list[asyncio.Task[frozenset[str]]] = []
    for _ in range(40):
        parent = random.choice(tips)
        user_id = random.choice(users)
        state = remote.after[parent.event_id]
        joined = ("m.room.member", user_id) in state and state["m.room.member", user_id].membership == "join"
        event = remote.say(
            "m.room.member",
            {"membership": "leave" if joined else "join"},
            prev=[parent],
            sender=user_id,
            state_key=user_id,
        )
        tips = [*(tip for tip in tips if tip is not parent), event]
        if len(tips) < 3 and random.random() < 0.2:
            tips.append(parent)
        accepting = asyncio.create_task(server.server.rooms.accepting.accept(remote.room_id, [Arrival(event=event)]))
        if random.random() < 0.3:
            begins = hosts_of(server)
            listening.append(begins)
            for _ in range(random.randrange(6)):
                await asyncio.sleep(0)
            loading.append(asyncio.create_task(begins.of(room)))
        await accepting
        states.add(room.state_no)
    await asyncio.gather(*loading)
    expected = await counted(server, room, room.state_no)
    for hosts in listening:
        assert await hosts.of(room) == expected
    for state_no in random.sample(sorted(states), min(8, len(states))):
        past = await counted(server, room, state_no)
        for hosts in (listening[0], listening[-1], hosts_of(server)):
            assert await hosts.at(room, state_no) == past


async def test_a_room_that_begins_anew(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    hosts = hosts_of(server)
    remote = RemoteRoom()
    remote.join("@u:one.test")
    await remote.let_in(server, alice.user_id)
    room = await room_of(server, remote.room_id)
    assert await hosts.of(room) == {SERVER_NAME, "remote.test", "one.test"}
    (await alice.post(f"{in_room(remote.room_id)}/leave", {})).ok()
    remote.tell("m.room.member", {"membership": "leave"}, sender=alice.user_id, state_key=alice.user_id)
    remote.tell("m.room.member", {"membership": "leave"}, sender="@u:one.test", state_key="@u:one.test")
    remote.join("@v:two.test")
    await remote.let_in(server, alice.user_id)
    assert await hosts.of(await room_of(server, remote.room_id)) == {SERVER_NAME, "remote.test", "two.test"}


async def test_rooms_in_memory_are_bounded(
    homeserver: Homeserver, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOMS", 3)
    hosts = hosts_of(homeserver)
    room_ids = [(await alice.post("/createRoom", {})).ok()["room_id"] for _ in range(5)]
    rooms = [await room_of(homeserver, room_id) for room_id in room_ids]
    assert [hosts.known(room.room_nid) is not None for room in rooms] == [False, False, True, True, True]
    for room in rooms:
        assert await hosts.of(room) == {SERVER_NAME}
