"""What other servers are sent, in which order, how often, and what becomes of it when somebody is away."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path

import pytest

from ranvier.federation.destination_queue import MAX_WAITING
from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.event_build import build_event
from ranvier.proto.events import Event
from ranvier.proto.signing import SigningKey
from ranvier.rooms.accept import Arrival
from tests.api.asgi import Client
from tests.federation.peers import Place, answer, place
from tests.plays.virtual_loop import run_virtually

Play = Callable[[Place], Coroutine[None, None, None]]
MINUTE_S = 60
HOUR_S = 3600
TEN_MINUTES_S = 600


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Play], None]:
    """Runs what happens to a homeserver, in virtual time."""

    async def run(act: Play) -> None:
        async with place(tmp_path) as made:
            await act(made)

    return lambda act: run_virtually(run(act))


Run = Callable[[Play], None]


async def say(client: Client, room_id: str, *bodies: str) -> None:
    for body in bodies:
        (await client.send(room_id, "m.room.message", {"msgtype": "m.text", "body": body})).ok()


async def alice(at: Place) -> Client:
    assert at.homeserver is not None
    return await at.homeserver.register("alice")


def test_every_server_in_the_room_gets_the_event(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test", "@v:one.test", "@w:two.test")
        await say(client, room.room_id, "hello")
        await asyncio.sleep(5)
        for server in ("began0.test", "one.test", "two.test"):
            assert at.peers.events(server) == ["hello"]
        assert set(at.peers.tried) == {"began0.test", "one.test", "two.test"}
        content = at.peers.taken["one.test"][0].content
        assert content["origin"] == "ranvier.test" and len(content["pdus"]) == 1

    play(act)


def test_a_burst_comes_in_order_and_in_transactions_of_fifty(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.delay_s = 30
        bodies = [str(number) for number in range(130)]
        await say(client, room.room_id, *bodies)
        await asyncio.sleep(10 * MINUTE_S)
        assert at.peers.events("one.test") == bodies
        sizes = [len(sent.content["pdus"]) for sent in at.peers.taken["one.test"]]
        assert max(sizes) == 50 and len(sizes) <= 5
        ids = [sent.txn_id for sent in at.peers.taken["one.test"]]
        assert len(set(ids)) == len(ids)

    play(act)


def test_nothing_goes_to_servers_of_rooms_without_them(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room_id = (await client.post("/createRoom", {})).ok()["room_id"]
        await say(client, room_id, "to myself")
        await asyncio.sleep(HOUR_S)
        assert not at.peers.tried

    play(act)


def test_a_server_that_is_away_costs_one_attempt_a_period_whatever_is_sent(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test", "@u:two.test")
        at.peers.down = {"one.test"}
        for minute in range(60):
            await say(client, room.room_id, f"{minute}")
            at.sender.queue_edu(["one.test", "two.test"], "m.typing", {"minute": minute}, keep=False)
            await asyncio.sleep(MINUTE_S)
        # At 0, 10 and 30 minutes (each attempt takes one until it times out); the next one comes after 70.
        assert len(at.peers.tried["one.test"]) == 3
        assert len({sent.txn_id for sent in at.peers.tried["one.test"]}) == 1
        assert len({sent.body for sent in at.peers.tried["one.test"]}) == 1
        assert at.peers.events("two.test") == [str(minute) for minute in range(60)]
        at.peers.down.clear()
        await asyncio.sleep(HOUR_S)
        assert at.peers.events("one.test") == [str(minute) for minute in range(60)]
        assert len([edu for edu in at.peers.edus("one.test") if edu["edu_type"] == "m.typing"]) <= 1

    play(act)


def test_whoever_speaks_is_sent_what_waits(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.down = {"one.test"}
        await say(client, room.room_id, "first")
        await asyncio.sleep(3 * MINUTE_S)
        await say(client, room.room_id, "second")
        at.peers.down.clear()
        at.server.federation.health.seen("one.test")
        await asyncio.sleep(5)
        assert at.peers.events("one.test") == ["first", "second"]

    play(act)


def test_after_a_long_absence_the_latest_of_each_room(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        rooms = [await at.room(client.user_id, "@u:one.test", number=number) for number in range(3)]
        at.peers.down = {"one.test"}
        for number in range(MAX_WAITING + 60):
            await say(client, rooms[0].room_id, f"busy {number}")
        await say(client, rooms[1].room_id, "quiet", "quieter")
        await asyncio.sleep(2 * HOUR_S)
        assert at.sender.waiting("one.test") == 0
        at.peers.down.clear()
        await asyncio.sleep(2 * HOUR_S)
        first, *rest = at.peers.events("one.test")
        assert first == "busy 0"  # The transaction that had failed is sent as it was.
        assert rest[-2:] == [f"busy {MAX_WAITING + 59}", "quieter"]
        assert len(rest) < 60
        await say(client, rooms[0].room_id, "afterwards")
        await asyncio.sleep(MINUTE_S)
        assert at.peers.events("one.test")[-1] == "afterwards"

    play(act)


def test_what_was_not_delivered_is_sent_after_a_crash(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test", "@u:two.test")
        await say(client, room.room_id, "delivered")
        await asyncio.sleep(MINUTE_S)
        at.peers.delay_s = HOUR_S
        await say(client, room.room_id, "one", "two", "three")
        await at.restart(crash=True)
        at.peers.delay_s = 0.05
        await asyncio.sleep(MINUTE_S)
        for server in ("one.test", "two.test"):
            assert at.peers.events(server) == ["delivered", "one", "two", "three"]

    play(act)


def test_a_crash_right_after_the_answer_loses_nothing(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        said = []
        for number in range(10):
            await say(client, room.room_id, f"{number}")
            said.append(f"{number}")
            await at.restart(crash=True)
            client = at.back(client)
        await asyncio.sleep(MINUTE_S)
        heard = at.peers.events("one.test")
        assert sorted(set(heard)) == said

    play(act)


@pytest.mark.parametrize("crash", [True, False])
def test_a_server_that_is_away_is_remembered_over_a_restart(play: Run, crash: bool) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test", "@u:two.test")
        at.peers.down = {"one.test"}
        await say(client, room.room_id, "one", "two")
        await asyncio.sleep(5 * MINUTE_S)
        await at.restart(crash=crash)
        client = at.back(client)
        await say(client, room.room_id, "three")
        await asyncio.sleep(3 * MINUTE_S)
        assert len(at.peers.tried["one.test"]) == 1
        assert at.peers.events("two.test") == ["one", "two", "three"]
        at.peers.down.clear()
        await asyncio.sleep(20 * MINUTE_S)
        assert at.peers.events("one.test") == ["one", "two", "three"]
        await at.restart()
        await asyncio.sleep(HOUR_S)
        assert at.peers.events("one.test") == ["one", "two", "three"]

    play(act)


def test_a_server_is_sent_nothing_from_before_it_came_or_after_it_went(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.down = {"one.test", "two.test"}
        await say(client, room.room_id, "before")
        await asyncio.sleep(2 * MINUTE_S)
        room.join("@u:two.test")
        assert at.homeserver is not None
        await at.server.rooms.accepting.accept(room.room_id, [_arrival(room.tip)])
        await say(client, room.room_id, "between")
        leave = room.tell("m.room.member", {"membership": "leave"}, sender="@u:one.test", state_key="@u:one.test")
        await at.server.rooms.accepting.accept(room.room_id, [_arrival(leave)])
        await say(client, room.room_id, "after")
        await asyncio.sleep(10)
        await at.restart(crash=True)
        at.peers.down.clear()
        await asyncio.sleep(2 * HOUR_S)
        assert at.peers.events("one.test") == ["before", "between"]
        assert at.peers.events("two.test") == ["between", "after"]

    play(act)


def test_whom_we_throw_out_is_told(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room_id = (await client.post("/createRoom", {"preset": "public_chat"})).ok()["room_id"]
        await _join(at, room_id, "@u:one.test")
        path = f"/rooms/{room_id}/kick"
        (await client.post(path, {"user_id": "@u:one.test"})).ok()
        await say(client, room_id, "alone again")
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["one.test"]
        (pdu,) = sent.content["pdus"]
        assert (pdu["state_key"], pdu["content"]["membership"]) == ("@u:one.test", "leave")

    play(act)


def test_the_last_one_here_says_goodbye(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id)
        (await client.post(f"/rooms/{room.room_id}/leave", {})).ok()
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["began0.test"]
        (pdu,) = sent.content["pdus"]
        assert (pdu["state_key"], pdu["content"]["membership"]) == (client.user_id, "leave")

    play(act)


def test_the_last_one_here_says_goodbye_over_a_crash(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id)
        await asyncio.sleep(10)
        at.peers.delay_s = HOUR_S
        (await client.post(f"/rooms/{room.room_id}/leave", {})).ok()
        await at.restart(crash=True)
        at.peers.delay_s = 0.05
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["began0.test"]
        assert [pdu["content"]["membership"] for pdu in sent.content["pdus"]] == ["leave"]

    play(act)


def test_whose_invitation_is_taken_back_is_told(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        invite = room.tell("m.room.member", {"membership": "invite"}, state_key="@v:two.test")
        levels = room.tell("m.room.power_levels", {"users": {room.creator: 100, client.user_id: 100}}, state_key="")
        await at.server.rooms.accepting.accept(room.room_id, [_arrival(invite), _arrival(levels)])
        path = f"/rooms/{room.room_id}/kick"
        (await client.post(path, {"user_id": "@v:two.test"})).ok()
        await say(client, room.room_id, "not for them")
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["two.test"]
        assert [pdu["content"].get("membership") for pdu in sent.content["pdus"]] == ["leave"]

    play(act)


def test_a_room_that_does_not_federate(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        body = {"creation_content": {"m.federate": False}, "preset": "public_chat"}
        room_id = (await client.post("/createRoom", body)).ok()["room_id"]
        await say(client, room_id, "among us")
        await at.restart(crash=True)
        await asyncio.sleep(MINUTE_S)
        assert not at.peers.tried

    play(act)


def test_a_crash_between_a_kick_and_its_delivery(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room_id = (await client.post("/createRoom", {"preset": "public_chat"})).ok()["room_id"]
        await _join(at, room_id, "@u:one.test")
        at.peers.delay_s = HOUR_S
        (await client.post(f"/rooms/{room_id}/ban", {"user_id": "@u:one.test"})).ok()
        await at.restart(crash=True)
        at.peers.delay_s = 0.05
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["one.test"]
        assert [pdu["content"]["membership"] for pdu in sent.content["pdus"]] == ["ban"]

    play(act)


def test_an_edu_takes_the_place_of_an_older_one(play: Run) -> None:
    async def act(at: Place) -> None:
        at.peers.delay_s = MINUTE_S
        for number in range(10):
            at.sender.queue_edu(["one.test"], "m.presence", {"n": number}, key=("presence", "@alice:ranvier.test"))
            at.sender.queue_edu(["one.test"], "m.typing", {"n": number})
            await asyncio.sleep(1)
        await asyncio.sleep(10 * MINUTE_S)
        edus = at.peers.edus("one.test")
        assert [edu["content"]["n"] for edu in edus if edu["edu_type"] == "m.presence"] == [0, 9]
        assert [edu["content"]["n"] for edu in edus if edu["edu_type"] == "m.typing"] == list(range(10))

    play(act)


def test_at_most_a_hundred_edus_a_transaction(play: Run) -> None:
    async def act(at: Place) -> None:
        for number in range(250):
            at.sender.queue_edu(["one.test"], "m.typing", {"n": number})
        await asyncio.sleep(10 * MINUTE_S)
        assert [edu["content"]["n"] for edu in at.peers.edus("one.test")] == list(range(250))
        assert [len(sent.content["edus"]) for sent in at.peers.taken["one.test"]] == [100, 100, 50]

    play(act)


@pytest.mark.parametrize("crash", [True, False])
def test_messages_to_devices_outlive_absence_and_restart(play: Run, crash: bool) -> None:
    async def act(at: Place) -> None:
        at.peers.down = {"one.test"}
        outbox = at.server.federation.outbox
        for number in range(120):
            async with at.server.db.write() as tx:
                messages = {"@u:one.test": {"DEV": {"n": number}}, "@u:two.test": {"*": {"n": number}}}
                servers = await outbox.put(tx, "@alice:ranvier.test", "m.room_key", messages)
            at.sender.wake(servers, "devices")
        await asyncio.sleep(3 * MINUTE_S)
        await at.restart(crash=crash)
        at.peers.down.clear()
        await asyncio.sleep(HOUR_S)
        for server in ("one.test", "two.test"):
            contents = [edu["content"] for edu in at.peers.edus(server)]
            assert [next(iter(c["messages"][f"@u:{server}"].values()))["n"] for c in contents] == list(range(120))
            assert len({content["message_id"] for content in contents}) == 120
            assert all(len(content["message_id"]) <= 32 for content in contents)
        assert await at.server.db.value("SELECT COUNT(*) FROM device_outbox") == 0

    play(act)


def test_a_server_says_when_to_come_back(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(429, {"errcode": "M_LIMIT_EXCEEDED"}, **{"retry-after": "40"})]
        await say(client, room.room_id, "hello")
        await asyncio.sleep(2 * MINUTE_S)
        first, second = at.peers.tried["one.test"]
        assert 40 <= second.at_s - first.at_s <= 43
        assert (first.txn_id, first.body) == (second.txn_id, second.body)
        assert at.peers.events("one.test") == ["hello"]

    play(act)


def test_a_server_that_restarts_behind_its_proxy_is_not_left_alone_for_long(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(502)] * 5
        for number in range(50):
            await say(client, room.room_id, f"{number}")
        await asyncio.sleep(MINUTE_S)
        assert at.peers.events("one.test") == [str(number) for number in range(50)]
        times = [sent.at_s for sent in at.peers.tried["one.test"]][:6]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == sorted(pauses) and 0.5 <= pauses[0] <= 2 and 8 <= pauses[-1] <= 10

    play(act)


def test_a_server_that_stays_broken_is_left_alone(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(500)] * 1000
        for _ in range(12):
            await say(client, room.room_id, "hello")
            await asyncio.sleep(HOUR_S)
        assert 11 + 4 <= len(at.peers.tried["one.test"]) <= 11 + 8

    play(act)


def test_a_server_that_is_no_more_is_left_alone_for_long(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(410)]
        for _ in range(12):
            await say(client, room.room_id, "hello")
            await asyncio.sleep(2 * HOUR_S)
        assert len(at.peers.tried["one.test"]) == 1

    play(act)


def test_a_transaction_that_will_never_be_taken_does_not_stand_in_the_way(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(400)] * 3
        await say(client, room.room_id, "poison")
        await asyncio.sleep(HOUR_S)
        await say(client, room.room_id, "cure")
        await asyncio.sleep(MINUTE_S)
        assert at.peers.events("one.test") == ["cure"]

    play(act)


def test_a_server_that_does_not_want_us_is_asked_less_and_less_often(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test")
        at.peers.answers["one.test"] = [answer(403)] * 4
        await say(client, room.room_id, "please")
        await asyncio.sleep(4 * HOUR_S)
        times = [sent.at_s for sent in at.peers.tried["one.test"]]
        gaps = [round((later - earlier) / TEN_MINUTES_S) for earlier, later in pairwise(times)]
        assert gaps == [1, 2, 4, 8]
        assert at.peers.events("one.test") == ["please"]

    play(act)


def test_not_everybody_at_once(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        servers = [f"s{number}.test" for number in range(250)]
        room = await at.room(client.user_id, *(f"@u:{server}" for server in servers))
        at.peers.delay_s = 1
        await say(client, room.room_id, "hello")
        await asyncio.sleep(MINUTE_S)
        assert all(at.peers.events(server) == ["hello"] for server in servers)
        assert at.peers.most_open <= 100

    play(act)


def test_an_event_of_another_server_is_passed_on(play: Run) -> None:
    async def act(at: Place) -> None:
        client = await alice(at)
        room = await at.room(client.user_id, "@u:one.test", "@u:two.test")
        join = room.join("@v:two.test")
        (stored,) = await at.server.rooms.accepting.accept(room.room_id, [_arrival(join)])
        assert stored is not None
        await asyncio.sleep(MINUTE_S)
        assert not at.peers.tried
        at.sender.send_event(stored, ["one.test"])
        await asyncio.sleep(MINUTE_S)
        (sent,) = at.peers.taken["one.test"]
        assert [pdu["state_key"] for pdu in sent.content["pdus"]] == ["@v:two.test"]
        assert set(at.peers.tried) == {"one.test"}

    play(act)


def test_names_that_are_none_are_not_asked(play: Run) -> None:
    async def act(at: Place) -> None:
        at.sender.queue_edu(["", "a b", "ranvier.test", "\0", "one.test"], "m.typing", {})
        await asyncio.sleep(MINUTE_S)
        assert set(at.peers.tried) == {"one.test"}

    play(act)


def _arrival(event: Event) -> Arrival:
    return Arrival(event=event)


async def _join(at: Place, room_id: str, user_id: str) -> None:
    """A remote user joins a room that began here."""
    room = await at.server.rooms.rooms.get(room_id)
    keys = auth_types_for(room.version, "m.room.member", user_id, user_id, {"membership": "join"})
    for type_, state_key in keys:
        if type_ == "m.room.member":
            await at.server.rooms.rooms.member(room, state_key)
    auth = [entry.event for key in keys if (entry := room.get_stored(key)) is not None]
    join = build_event(
        version=room.version,
        room_id=room_id,
        type="m.room.member",
        sender=user_id,
        state_key=user_id,
        content={"membership": "join"},
        origin_server_ts=1,
        depth=1 + max(stored.event.depth for stored in room.extremities),
        prev_events=[stored.event for stored in room.extremities],
        auth_events=auth,
        signing_key=SigningKey("ed25519:a", bytes(32)),
        server_name=user_id.partition(":")[2],
        random=bytes,
    )
    (stored,) = await at.server.rooms.accepting.accept(room_id, [Arrival(event=join)])
    assert stored is not None and stored.status == 0
