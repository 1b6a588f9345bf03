"""What has outlived its time is shown to nobody, and then it is deleted. Manual: "Message retention policies"."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from ranvier.config.retention_sections import PurgeJob
from ranvier.db.engine import DatabaseError, Tx
from ranvier.rooms import redaction_pruning
from ranvier.store import history_purge
from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CONFIGURATION = "/_matrix/client/unstable/org.matrix.msc1763/retention/configuration"
POLICIES = {
    "enabled": True,
    "default_policy": {"max_lifetime": "10d"},
    "allowed_lifetime_min": "1d",
    "allowed_lifetime_max": "20d",
}


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock(1_700_000_000_000)


@pytest.fixture
async def server(db_config: Mapping[str, Any], clock: OwnClock) -> AsyncIterator[Homeserver]:
    async with running(db_config, clock, retention=POLICIES) as server:
        yield server


@pytest.fixture
async def anna(server: Homeserver) -> Client:
    return await server.register("anna")


async def delete_now(server: Homeserver, job: PurgeJob | None = None) -> int:
    """Do a job at once, the first one by default."""
    messages, retention = server.server.retention.messages, server.server.config.retention
    assert messages is not None and retention is not None
    return await messages.delete(job or retention.jobs[0])


async def bodies(client: Client, room_id: str) -> list[str]:
    chunk = (await client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()["chunk"]
    return [event["content"]["body"] for event in chunk if event["type"] == "m.room.message"][::-1]


async def synced(client: Client, room_id: str, since: str = "") -> list[str]:
    """What a sync shows of what is said in a room."""
    query = {"timeout": "0"} | ({"since": since} if since else {})
    rooms = (await client.get("/sync", **query)).ok().get("rooms", {}).get("join", {})
    events = rooms.get(room_id, {"timeline": {"events": []}})["timeline"]["events"]
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]


async def stored(server: Homeserver, event_id: str) -> bool:
    return bool(await server.db.value("SELECT COUNT(*) FROM events WHERE event_id = $1", event_id))


async def test_old_messages_are_hidden_then_deleted(server: Homeserver, anna: Client, clock: OwnClock) -> None:
    bob = await server.register("bob")
    room_id = await anna.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    since = (await bob.get("/sync", timeout="0")).ok()["next_batch"]
    old = await anna.say(room_id, "old")
    answer = {"body": "old, too", "m.relates_to": {"rel_type": "m.thread", "event_id": old}}
    (await anna.send(room_id, "m.room.message", answer)).ok()
    assert await synced(bob, room_id) == ["old", "old, too"]
    clock.now += 9 * DAY_MS
    young = await anna.say(room_id, "young")
    assert await bodies(bob, room_id) == ["old", "old, too", "young"]

    async def look() -> None:
        assert await bodies(bob, room_id) == ["young"]
        assert await synced(bob, room_id) == await synced(bob, room_id, since) == ["young"]
        for path in (f"event/{part(old)}", f"context/{part(old)}"):
            (await bob.get(f"{in_room(room_id)}/{path}")).refused(404, "M_NOT_FOUND")
        relations = f"/_matrix/client/v1{in_room(room_id)}/relations/{part(old)}"
        (await bob.request("GET", relations)).refused(404, "M_NOT_FOUND")
        threads = await bob.request("GET", f"/_matrix/client/v1{in_room(room_id)}/threads")
        assert threads.ok()["chunk"] == []
        listed = (await bob.get("/notifications")).ok()["notifications"]
        assert [one["event"]["event_id"] for one in listed if one["event"]["type"] == "m.room.message"] == [young]
        found = await bob.request(
            "GET", f"/_matrix/client/v1{in_room(room_id)}/timestamp_to_event", query={"ts": str(clock.now), "dir": "b"}
        )
        assert found.ok()["event_id"] == young

    clock.now += 2 * DAY_MS
    assert await stored(server, old)
    await look()
    assert await delete_now(server) == 2
    assert not await stored(server, old)
    await look()
    assert await delete_now(server) == 0
    # State has no end, and a last message is kept, though nobody sees it.
    clock.now += 1000 * DAY_MS
    assert await bodies(bob, room_id) == []
    assert await delete_now(server) == 0
    assert await stored(server, young)
    assert {one["type"] for one in (await bob.get(f"{in_room(room_id)}/state")).ok()} >= {"m.room.create"}
    await anna.say(room_id, "goes on")
    assert await bodies(bob, room_id) == await synced(bob, room_id, since) == ["goes on"]
    assert await delete_now(server) == 1
    assert not await stored(server, young)


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        ({"max_lifetime": 5 * DAY_MS}, 5),
        ({"max_lifetime": HOUR_MS}, 1),
        ({"max_lifetime": 400 * DAY_MS}, 20),
        ({"min_lifetime": DAY_MS}, 10),
        ({"max_lifetime": "5d"}, 10),
        ({"max_lifetime": True}, 10),
        ({"max_lifetime": -1}, 10),
    ],
)
async def test_what_a_room_says_counts_within_limits(
    server: Homeserver, anna: Client, clock: OwnClock, policy: dict[str, Any], days: int
) -> None:
    room_id = await anna.create_room()
    (await anna.set_state(room_id, "m.room.retention", policy)).ok()
    await anna.say(room_id, "x")
    clock.now += days * DAY_MS
    assert await bodies(anna, room_id) == ["x"]
    clock.now += 1
    assert await bodies(anna, room_id) == []


async def test_clients_are_told(server: Homeserver, anna: Client) -> None:
    answer = (await anna.request("GET", CONFIGURATION)).ok()
    assert answer == {
        "policies": {"*": {"max_lifetime": 10 * DAY_MS}},
        "limits": {"max_lifetime": {"min": DAY_MS, "max": 20 * DAY_MS}},
    }
    (await server.stranger().request("GET", CONFIGURATION)).refused(401, "M_MISSING_TOKEN")


async def test_jobs_are_for_some_rooms(server: Homeserver, anna: Client, clock: OwnClock) -> None:
    rooms = {}
    for days in (2, 5, 8):
        rooms[days] = await anna.create_room()
        (await anna.set_state(rooms[days], "m.room.retention", {"max_lifetime": days * DAY_MS})).ok()
        for _ in range(days):
            await anna.say(rooms[days], "x")
        await anna.say(rooms[days], "the last one is kept")
    clock.now += 100 * DAY_MS
    assert await delete_now(server, PurgeJob(interval_ms=1, shortest_ms=2 * DAY_MS, longest_ms=5 * DAY_MS)) == 5
    assert await delete_now(server, PurgeJob(interval_ms=1, shortest_ms=None, longest_ms=2 * DAY_MS)) == 2
    assert await delete_now(server, PurgeJob(interval_ms=1, shortest_ms=5 * DAY_MS, longest_ms=None)) == 8


async def test_a_room_that_cannot_be_looked_at_keeps_no_other_from_its_turn(
    server: Homeserver, anna: Client, clock: OwnClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = [await anna.create_room() for _ in range(3)]
    for room_id in rooms:
        for text in ("one", "two"):
            await anna.say(room_id, text)
    clock.now += 100 * DAY_MS
    delete, refused = history_purge.delete, [True]

    async def refuse_once(tx: Tx, room_nid: int, found: Sequence[history_purge.Message]) -> None:
        if refused.pop() if refused else False:
            raise DatabaseError("Not this one")
        await delete(tx, room_nid, found)

    monkeypatch.setattr(history_purge, "delete", refuse_once)
    assert await delete_now(server) == 2
    assert await delete_now(server) == 1


async def test_without_a_default_only_rooms_that_want_it(db_config: Mapping[str, Any], clock: OwnClock) -> None:
    async with running(db_config, clock, retention={"enabled": True}) as server:
        anna = await server.register("anna")
        room_id = await anna.create_room()
        for text in ("one", "two"):
            await anna.say(room_id, text)
        clock.now += 5000 * DAY_MS
        assert await bodies(anna, room_id) == ["one", "two"]
        assert await delete_now(server) == 0
        (await anna.set_state(room_id, "m.room.retention", {"max_lifetime": DAY_MS})).ok()
        assert await bodies(anna, room_id) == []
        assert await delete_now(server) == 1


async def test_it_is_off_by_default(homeserver_on_each: Homeserver) -> None:
    anna = await homeserver_on_each.register("anna")
    room_id = await anna.create_room()
    (await anna.set_state(room_id, "m.room.retention", {"max_lifetime": 0})).ok()
    await anna.say(room_id, "kept")
    assert await bodies(anna, room_id) == ["kept"]
    (await anna.request("GET", CONFIGURATION)).refused(404, "M_UNRECOGNIZED")
    retention = homeserver_on_each.server.retention
    assert retention.messages is None and retention.forgotten is None
    assert retention.redactions is not None and retention.addresses is not None


async def test_what_was_redacted_is_deleted_after_a_while(db_config: Mapping[str, Any], clock: OwnClock) -> None:
    async with running(db_config, clock, redaction_retention_period="7d") as server:
        redactions = server.server.retention.redactions
        assert redactions is not None
        anna = await server.register("anna")
        room_id = await anna.create_room()
        said, kept = await anna.say(room_id, "my secret"), await anna.say(room_id, "no secret")
        topic = (await anna.set_state(room_id, "m.room.topic", {"topic": "my secret"})).ok()["event_id"]
        for event_id in (said, topic):
            (await anna.redact(room_id, event_id)).ok()
        clock.now += 7 * DAY_MS - 1
        assert await redactions.prune() == 0
        assert "my secret" in await text_of(server, said)
        clock.now += 1
        assert await redactions.prune() == 2
        assert await redactions.prune() == 0
        for event_id in (said, topic):
            assert "my secret" not in await text_of(server, event_id)
        assert "no secret" in await text_of(server, kept)
        before = (await anna.get(f"{in_room(room_id)}/event/{part(said)}")).ok()
        server.server.rooms.cache.clear()
        assert (await anna.get(f"{in_room(room_id)}/event/{part(said)}")).ok() == before
        assert "redacted_because" in before["unsigned"]


async def test_redactions_from_the_future_keep_nothing(
    db_config: Mapping[str, Any], clock: OwnClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction_pruning, "PORTION", 1)
    async with running(db_config, clock, redaction_retention_period="7d") as server:
        redactions = server.server.retention.redactions
        assert redactions is not None
        anna = await server.register("anna")
        room_id = await anna.create_room()
        said = [await anna.say(room_id, f"my secret {n}") for n in range(3)]
        clock.now += 1000 * DAY_MS
        (await anna.redact(room_id, said[0])).ok()
        clock.now -= 1000 * DAY_MS
        for event_id in said[1:]:
            (await anna.redact(room_id, event_id)).ok()
        clock.now += 7 * DAY_MS
        assert await redactions.prune(thorough=False) == 0
        assert await redactions.prune() == 2
        assert ["my secret" in await text_of(server, event_id) for event_id in said] == [True, False, False]


async def test_redacted_texts_can_be_kept_for_ever(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, redaction_retention_period=None) as server:
        assert server.server.retention.redactions is None


async def text_of(server: Homeserver, event_id: str) -> str:
    """What the database holds of an event."""
    json: bytes = await server.db.value("SELECT json FROM events WHERE event_id = $1", event_id)
    return json.decode()


async def test_forgotten_rooms_are_deleted_after_a_while(db_config: Mapping[str, Any], clock: OwnClock) -> None:
    async with running(db_config, clock, forgotten_room_retention_period="28d") as server:
        forgotten = server.server.retention.forgotten
        assert forgotten is not None
        anna, bob = await server.register("anna"), await server.register("bob")
        room_id, other = await anna.create_room(preset="public_chat"), await anna.create_room()
        (await bob.act(room_id, "join")).ok()
        for client, act in ((anna, "leave"), (anna, "forget"), (bob, "leave")):
            (await client.act(room_id, act)).ok()
        (await anna.act(other, "leave")).ok()
        assert await forgotten.look() == []
        clock.now += 100 * DAY_MS
        assert await forgotten.look() == []  # Bob remembers it.
        (await bob.act(room_id, "forget")).ok()
        assert await forgotten.look() == []
        clock.now += 28 * DAY_MS - 1
        assert await forgotten.look() == []
        clock.now += 1
        assert await forgotten.look() == [room_id]
        while await server.db.value("SELECT COUNT(*) FROM rooms WHERE room_id = $1", room_id):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # It is the database that has to say so.
        assert await server.db.value("SELECT COUNT(*) FROM rooms") == 1
        assert await forgotten.look() == []


async def test_addresses_are_forgotten_after_a_while(db_config: Mapping[str, Any], clock: OwnClock) -> None:
    async with running(db_config, clock, user_ips_max_age="28d") as server:
        addresses = server.server.retention.addresses
        assert addresses is not None
        anna = await server.register("anna")
        (await anna.get("/account/whoami")).ok()
        assert await addresses.forget() == 0
        (device,) = (await anna.get("/devices")).ok()["devices"]
        assert "last_seen_ip" in device
        clock.now += 28 * DAY_MS
        assert await addresses.forget() == 0
        clock.now += 1
        assert await addresses.forget() == 1
        row = "SELECT last_seen_ip, last_seen_user_agent, last_seen_ts FROM devices WHERE user_id = $1"
        assert await server.db.one(row, anna.user_id) == (None, None, device["last_seen_ts"])
