"""What servers tell each other besides events, between real servers in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from tests.api.asgi import Client, in_room
from tests.e2ee.person import Person
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, say, world

ONE, TWO = "one.test", "two.test"

Acts = Callable[["Pair"], Awaitable[None]]


class Pair:
    """Two people of two servers in one room."""

    def __init__(self, world: World, room_id: str, alice: Person, bob: Person) -> None:
        self.world = world
        self.room_id = room_id
        self.alice = alice
        self.bob = bob

    async def pause(self, seconds: float = 5.0) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def follow(self) -> None:
        """Both have seen everything that has happened."""
        await self.pause()
        await self.alice.settle()
        await self.bob.settle()

    def sent(self, edu_type: str) -> list[str]:
        """The targets of all transactions that were sent."""
        return [target for _, _, _, target in self.world.network.requests if edu_type in target]


def person(client: Client) -> Person:
    return Person(client, "PLAY")


def play(folder: Path, acts: Acts) -> None:
    """Alice and Bob are in a room; Alice's server knows it first."""

    async def run() -> None:
        async with world(1, folder) as w:
            w.options["allow_device_name_lookup_over_federation"] = True
            await w.start(ONE)
            await w.start(TWO)
            alice, bob = await w.user("alice", ONE), await w.user("bob", TWO)
            room_id = await alice.create_room(preset="public_chat")
            (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
            pair = Pair(w, room_id, person(alice), person(bob))
            await w.settle()
            await pair.follow()
            await acts(pair)

    run_virtually(run())


async def typing(who: Person, room_id: str, *, is_typing: bool = True, timeout_ms: int = 20_000) -> None:
    body: dict[str, Any] = {"typing": is_typing}
    if is_typing:
        body["timeout"] = timeout_ms
    (await who.client.put(f"{in_room(room_id)}/typing/{who.user_id}", body)).ok()


def changed(sync: Any) -> list[str]:
    devices: list[str] = sync.get("device_lists", {}).get("changed", [])
    return devices


def test_typing(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await typing(p.alice, p.room_id)
        await p.pause(1)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == [{"user_ids": [p.alice.user_id]}]
        await typing(p.alice, p.room_id, is_typing=False)
        await p.pause(1)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == [{"user_ids": []}]

    play(tmp_path, acts)


def test_who_types_for_long_is_seen_for_long(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await typing(p.alice, p.room_id, timeout_ms=120_000)
        await p.pause(1)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == [{"user_ids": [p.alice.user_id]}]
        await p.pause(100)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == []
        await p.pause(30)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == [{"user_ids": []}]

    play(tmp_path, acts)


def test_who_types_and_whose_server_goes_away_stops(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await typing(p.alice, p.room_id, timeout_ms=120_000)
        await p.pause(1)
        await p.bob.sync()
        p.world.network.part(ONE, TWO)
        await p.pause(95)
        assert await p.bob.ephemeral(p.room_id, "m.typing") == [{"user_ids": []}]

    play(tmp_path, acts)


def test_receipts(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        event_id = await say(p.bob.client, p.room_id, "hello")
        await p.follow()
        (await p.alice.client.post(f"{in_room(p.room_id)}/receipt/m.read/{event_id}", {})).ok()
        await p.pause(1)
        ((found),) = await p.bob.ephemeral(p.room_id, "m.receipt")
        assert list(found[event_id]["m.read"]) == [p.alice.user_id]
        assert "thread_id" not in found[event_id]["m.read"][p.alice.user_id]

    play(tmp_path, acts)


def test_receipts_of_threads_and_private_ones(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        event_id = await say(p.bob.client, p.room_id, "hello")
        await p.follow()
        room = in_room(p.room_id)
        (await p.alice.client.post(f"{room}/receipt/m.read.private/{event_id}", {})).ok()
        await p.pause(1)
        assert await p.bob.ephemeral(p.room_id, "m.receipt") == []
        (await p.alice.client.post(f"{room}/receipt/m.read/{event_id}", {"thread_id": "main"})).ok()
        await p.pause(1)
        ((found),) = await p.bob.ephemeral(p.room_id, "m.receipt")
        assert found[event_id]["m.read"][p.alice.user_id]["thread_id"] == "main"

    play(tmp_path, acts)


def presences(sync: Any) -> dict[str, str]:
    return {event["sender"]: event["content"]["presence"] for event in sync.get("presence", {}).get("events", [])}


def test_presence(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.pause(3000)
        await p.bob.sync(set_presence="offline")
        await p.alice.sync(set_presence="online")
        await p.pause(5)
        assert presences(await p.bob.sync(set_presence="offline"))[p.alice.user_id] == "online"
        body = {"presence": "unavailable", "status_msg": "away"}
        (await p.alice.client.put(f"/presence/{p.alice.user_id}/status", body)).ok()
        await p.pause(5)
        assert presences(await p.bob.sync(set_presence="offline"))[p.alice.user_id] == "unavailable"
        seen = (await p.bob.client.get(f"/presence/{p.alice.user_id}/status")).ok()
        assert (seen["presence"], seen["status_msg"]) == ("unavailable", "away")

    play(tmp_path, acts)


def test_who_begins_to_follow_sees_who_is_there(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.sync(set_presence="online")
        await p.pause(5)
        assert presences(await person(p.bob.client).sync())[p.alice.user_id] == "online"

    play(tmp_path, acts)


def test_who_is_not_heard_of_is_away(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.sync(set_presence="online")
        await p.pause(5)
        await p.bob.sync(set_presence="offline")
        await p.world.crash(ONE)
        await p.pause(1900)
        assert presences(await p.bob.sync(set_presence="offline"))[p.alice.user_id] == "offline"

    play(tmp_path, acts)


def test_messages_to_devices(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.send({p.bob.user_id: {"PLAY": {"n": 1}}}, txn_id="1")
        await p.alice.send({p.bob.user_id: {"*": {"n": 2}}}, txn_id="2")
        await p.alice.send({p.bob.user_id: {"OTHER": {"n": 3}}}, txn_id="3")
        await p.pause(2)
        assert await p.bob.inbox() == [{"n": 1}, {"n": 2}]

    play(tmp_path, acts)


def test_messages_to_devices_arrive_once_whatever_the_network_does(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        p.world.network.faults.repeated = 0.5
        p.world.network.faults.lost_answer = 0.2
        p.world.network.faults.lost_request = 0.2
        for number in range(30):
            await p.alice.send({p.bob.user_id: {"PLAY": {"n": number}}}, txn_id=str(number))
            await p.pause(20)
        await p.pause(20_000)
        assert [message["n"] for message in await p.bob.inbox()] == list(range(30))

    play(tmp_path, acts)


def test_messages_to_devices_outlive_both_servers(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.world.crash(TWO)
        await p.alice.send({p.bob.user_id: {"PLAY": {"n": 1}}}, txn_id="1")
        await p.world.crash(ONE)
        await p.world.start(TWO)
        await p.world.start(ONE)
        await p.pause(20_000)
        bob = Person(p.world.clients[p.bob.user_id], "PLAY")
        assert await bob.inbox() == [{"n": 1}]
        await p.world.crash(TWO)
        await p.world.start(TWO)
        bob = Person(p.world.clients[p.bob.user_id], "PLAY")
        assert await bob.inbox() == [{"n": 1}]

    play(tmp_path, acts)


def asked_for_keys(p: Pair) -> int:
    return sum("user/keys/query" in target or "user/devices" in target for *_, target in p.world.network.requests)


def test_device_lists(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause(2)
        assert changed(await p.bob.sync()) == [p.alice.user_id]
        found = await p.bob.keys_of(p.alice.user_id)
        assert list(found["device_keys"][p.alice.user_id]) == ["PLAY"]
        assert asked_for_keys(p) == 1
        await p.bob.keys_of(p.alice.user_id)
        assert asked_for_keys(p) == 1, "who is known is not asked for again"

    play(tmp_path, acts)


def test_a_change_is_known_without_asking(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause(2)
        await p.bob.keys_of(p.alice.user_id)
        (await p.alice.client.put("/devices/PLAY", {"display_name": "phone"})).ok()
        await p.pause(5)
        # The list came without a number: it is asked for once with one, and from then on updates are enough.
        assert asked_for_keys(p) == 2
        await p.bob.sync()
        for name in ("tablet", "watch"):
            (await p.alice.client.put("/devices/PLAY", {"display_name": name})).ok()
            await p.pause(5)
            assert changed(await p.bob.sync()) == [p.alice.user_id]
            found = await p.bob.keys_of(p.alice.user_id)
            assert found["device_keys"][p.alice.user_id]["PLAY"]["unsigned"] == {"device_display_name": name}
        assert asked_for_keys(p) == 2

    play(tmp_path, acts)


def test_a_change_during_an_outage_is_told_afterwards(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause(2)
        await p.bob.keys_of(p.alice.user_id)
        await p.bob.sync()
        p.world.network.part(ONE, TWO)
        (await p.alice.client.put("/devices/PLAY", {"display_name": "phone"})).ok()
        await p.pause(700)
        await p.world.crash(ONE)
        await p.world.start(ONE)
        p.world.network.heal()
        await p.pause(10_000)
        assert changed(await p.bob.sync()) == [p.alice.user_id]
        found = await p.bob.keys_of(p.alice.user_id)
        assert found["device_keys"][p.alice.user_id]["PLAY"]["unsigned"] == {"device_display_name": "phone"}

    play(tmp_path, acts)


def test_a_change_just_before_a_crash_is_told_afterwards(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        p.world.network.part(ONE, TWO)
        await p.alice.publish()
        await p.world.crash(ONE)
        p.world.network.heal()
        await p.world.start(ONE)
        await p.pause(3_000)
        assert changed(await p.bob.sync()) == [p.alice.user_id]
        assert list((await p.bob.keys_of(p.alice.user_id))["device_keys"][p.alice.user_id]) == ["PLAY"]

    play(tmp_path, acts)


def cross_signing_keys(user_id: str, name: str) -> dict[str, Any]:
    master, signing = (SigningKey("", (name + usage).encode().ljust(32)[:32]) for usage in ("m", "s"))
    public = encode_base64(master.public_key)
    told = encode_base64(signing.public_key)
    master = SigningKey(f"ed25519:{public}", (name + "m").encode().ljust(32)[:32])
    return {
        "master_key": {"user_id": user_id, "usage": ["master"], "keys": {f"ed25519:{public}": public}},
        "self_signing_key": sign_json(
            {"user_id": user_id, "usage": ["self_signing"], "keys": {f"ed25519:{told}": told}}, user_id, master
        ),
    }


def test_cross_signing_keys(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause(2)
        await p.bob.keys_of(p.alice.user_id)
        await p.bob.sync()
        keys = cross_signing_keys(p.alice.user_id, "a")
        (await p.alice.client.post("/keys/device_signing/upload", keys)).ok()
        await p.pause(5)
        assert changed(await p.bob.sync()) == [p.alice.user_id]
        before = asked_for_keys(p)
        found = await p.bob.keys_of(p.alice.user_id)
        assert found["master_keys"][p.alice.user_id]["keys"] == keys["master_key"]["keys"]
        assert found["self_signing_keys"][p.alice.user_id]["keys"] == keys["self_signing_key"]["keys"]
        assert asked_for_keys(p) == before

    play(tmp_path, acts)


def test_who_has_left_is_asked_for_again(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause(2)
        await p.bob.keys_of(p.alice.user_id)
        (await p.alice.client.post(f"{in_room(p.room_id)}/leave")).ok()
        await p.pause(5)
        (await p.alice.client.put("/devices/PLAY", {"display_name": "phone"})).ok()
        await p.pause(5)
        (await p.alice.client.post(f"/join/{p.room_id}?via={TWO}")).ok()
        await p.pause(5)
        assert p.alice.user_id in changed(await p.bob.sync())
        found = await p.bob.keys_of(p.alice.user_id)
        assert found["device_keys"][p.alice.user_id]["PLAY"]["unsigned"] == {"device_display_name": "phone"}

    play(tmp_path, acts)


def record(p: Pair) -> list[tuple[str, dict[str, Any]]]:
    """What Bob's server is told besides events, from now on: types and contents."""
    found: list[tuple[str, dict[str, Any]]] = []
    receiving = p.world.servers[TWO].federation.receiving
    take = receiving._on_edus

    async def taking(origin: str, edus: Sequence[Mapping[str, Any]]) -> None:
        found.extend((edu["edu_type"], edu["content"]) for edu in edus)
        await take(origin, edus)

    receiving._on_edus = taking
    return found


def test_updates_name_the_one_before(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        told = record(p)
        await p.alice.publish()
        await p.pause()
        for name in ("tablet", "watch"):
            (await p.alice.client.put("/devices/PLAY", {"display_name": name})).ok()
            await p.pause()
        updates = [content for edu_type, content in told if edu_type == "m.device_list_update"]
        assert [update["device_id"] for update in updates] == ["PLAY"] * 3
        assert updates[0]["prev_id"] == []
        assert [update["prev_id"] for update in updates[1:]] == [[update["stream_id"]] for update in updates[:-1]]
        assert updates[-1]["device_display_name"] == "watch"
        assert "unsigned" not in updates[-1]["keys"]
        listed = await p.world.servers[TWO].federation.edus.resync._keys.devices(p.alice.user_id)
        assert listed.stream_id == updates[-1]["stream_id"]

    play(tmp_path, acts)


def test_a_device_that_is_gone_is_told(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        await p.alice.publish()
        await p.pause()
        told = record(p)
        (await p.alice.client.post("/logout")).ok()
        await p.pause()
        ((edu_type, content),) = [one for one in told if one[0] != "m.presence"]
        assert (edu_type, content["device_id"], content["deleted"]) == ("m.device_list_update", "PLAY", True)
        assert p.alice.user_id in changed(await p.bob.sync())
        found = await p.bob.keys_of(p.alice.user_id)
        assert found["device_keys"].get(p.alice.user_id, {}) == {}

    play(tmp_path, acts)


def test_servers_that_a_user_comes_to_meet_are_told_of_their_devices(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        carol = person(await p.world.user("carol", ONE))
        await carol.publish()
        await p.pause()
        told = record(p)
        (await carol.client.post(f"/join/{p.room_id}")).ok()
        await p.pause()
        updates = [content for edu_type, content in told if edu_type == "m.device_list_update"]
        assert [(update["user_id"], update["device_id"]) for update in updates] == [(carol.user_id, "PLAY")]
        room_id = await p.bob.client.create_room(preset="public_chat")
        (await carol.client.post(f"/join/{room_id}?via={TWO}")).ok()
        await p.pause()
        updates = [content for edu_type, content in told if edu_type == "m.device_list_update"]
        assert len(updates) == 1, "who meets them already has been told"

    play(tmp_path, acts)


def test_many_receipts_of_a_large_room_are_sent_together(tmp_path: Path) -> None:
    async def acts(p: Pair) -> None:
        p.world.servers[ONE].federation.edus.receipts._per_second = 0.1
        told = record(p)
        event_id = ""
        for number in range(20):
            event_id = await say(p.bob.client, p.room_id, str(number))
            await p.pause(2)
            (await p.alice.client.post(f"{in_room(p.room_id)}/receipt/m.read/{event_id}", {})).ok()
        await p.pause(20)
        receipts = [content for edu_type, content in told if edu_type == "m.receipt"]
        assert 4 <= len(receipts) <= 7
        assert receipts[-1][p.room_id]["m.read"][p.alice.user_id]["event_ids"] == [event_id]

    play(tmp_path, acts)


def test_presence_is_not_sent_where_it_is_off(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(1, tmp_path) as w:
            w.options["presence"] = {"enabled": False}
            await w.start(ONE)
            await w.start(TWO)
            alice, bob = await w.user("alice", ONE), await w.user("bob", TWO)
            room_id = await alice.create_room(preset="public_chat")
            (await bob.post(f"/join/{room_id}?via={ONE}")).ok()
            await w.settle()
            before = len(w.network.requests)
            await person(alice).sync(set_presence="online")
            await asyncio.sleep(3000)
            assert len(w.network.requests) == before

    run_virtually(run())


@pytest.mark.parametrize("seed", range(2))
def test_nothing_goes_out_for_nobody(tmp_path: Path, seed: int) -> None:
    """A server that shares no room is told nothing."""

    async def run() -> None:
        async with world(seed, tmp_path, ONE, TWO) as w:
            alice = person(await w.user("alice", ONE))
            room_id = await alice.client.create_room()
            await alice.publish()
            await typing(alice, room_id)
            await alice.sync(set_presence="online")
            await asyncio.sleep(3000)
            assert w.network.requests == []

    run_virtually(run())
