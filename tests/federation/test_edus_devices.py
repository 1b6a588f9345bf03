"""Device lists of users of other servers: asked for, kept, changed by what is told, asked for again."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.e2ee.user_keys import UserKeys
from ranvier.federation.announce_devices import changed_devices, device_edus, last_update, numbered
from ranvier.federation.ask_keys import KeyAsking
from ranvier.federation.edu_device_lists import read_device_update, updated
from ranvier.proto.canonical_json import decode_lenient, encode
from ranvier.proto.events import Event
from ranvier.proto.signing import SigningKey, sign_json
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.rooms.accept import Arrival
from ranvier.store import remote_devices
from ranvier.store.announced_devices import Announced
from ranvier.store.remote_devices import DeviceList
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver
from tests.federation.elsewhere import Elsewhere, Question, refusal
from tests.federation.test_edus import BOB, REMOTE, Here, entered
from tests.rooms.remote_room import RemoteRoom

CAROL = f"@carol:{REMOTE}"


def device(user_id: str, device_id: str, n: int = 0) -> dict[str, Any]:
    key = SigningKey(f"ed25519:{device_id}", bytes(32))
    keys = {f"ed25519:{device_id}": encode_base64(key.public_key), f"curve25519:{device_id}": f"{n}"}
    return sign_json({"user_id": user_id, "device_id": device_id, "algorithms": ["m.olm"], "keys": keys}, user_id, key)


class Bobs:
    """The other server, which knows the devices of its users."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self.devices: dict[str, dict[str, Any]] = {BOB: {"B": device(BOB, "B")}, CAROL: {"C": device(CAROL, "C")}}
        self.stream_id = 5
        self.is_up = True
        self.elsewhere = elsewhere
        elsewhere.servers[REMOTE] = self.answer

    async def answer(self, question: Question) -> Any:
        if not self.is_up:
            raise refusal(503, "M_UNKNOWN")
        if question.segments[:2] == ("user", "devices"):
            user_id = question.segments[2]
            listed = [{"device_id": name, "keys": keys} for name, keys in self.devices[user_id].items()]
            return {"user_id": user_id, "stream_id": self.stream_id, "devices": listed}
        wanted = question.content["device_keys"]
        return {"device_keys": {user_id: self.devices.get(user_id, {}) for user_id in wanted}}

    @property
    def asked(self) -> list[str]:
        return ["/".join(question.segments[:3]) for question in self.elsewhere.asked]


@pytest.fixture
async def here(homeserver_on_each: Homeserver) -> Here:
    room = RemoteRoom()
    room.join(BOB)
    room.join(CAROL)
    return await entered(homeserver_on_each, room)


@pytest.fixture
def bobs(here: Here) -> Bobs:
    elsewhere = Elsewhere()
    asking = KeyAsking(client=elsewhere.client)
    edus = here.server.server.federation.edus
    edus.devices._keys = edus.resync._keys = asking
    return Bobs(elsewhere)


async def keys(client: Client, *user_ids: str) -> dict[str, list[str]]:
    """By user the devices."""
    found = (await client.post("/keys/query", {"device_keys": {user_id: [] for user_id in user_ids}})).ok()
    return {user_id: sorted(devices) for user_id, devices in found["device_keys"].items()}


def update(stream_id: int, prev_ids: list[int], device_id: str = "B", **more: Any) -> dict[str, Any]:
    content = {"user_id": BOB, "device_id": device_id, "stream_id": stream_id, "prev_id": prev_ids, **more}
    return {"keys": device(BOB, device_id, stream_id), **content} if "deleted" not in more else content


async def changed(here: Here) -> list[str]:
    found: list[str] = (await here.device.sync()).get("device_lists", {}).get("changed", [])
    return found


async def resynced(here: Here) -> None:
    await asyncio.wait_for(here.server.server.federation.edus.resync.settled(), 5)


async def known(here: Here, bobs: Bobs) -> None:
    """Bob's list is known with its number."""
    await keys(here.alice, BOB)
    await here.tell("m.device_list_update", update(5, []))
    await resynced(here)
    await here.device.settle()
    bobs.elsewhere.asked.clear()


class TestQueries:
    async def test_are_asked_once(self, here: Here, bobs: Bobs) -> None:
        for _ in range(3):
            assert await keys(here.alice, BOB, CAROL) == {BOB: ["B"], CAROL: ["C"]}
        assert bobs.asked == ["user/keys/query"]

    async def test_cost_no_statement_when_warm(self, here: Here, bobs: Bobs) -> None:
        await keys(here.alice, BOB, CAROL)
        before = here.server.db.counters.statements
        await keys(here.alice, BOB, CAROL)
        assert here.server.db.counters.statements == before

    async def test_at_the_same_time_are_one(self, here: Here, bobs: Bobs) -> None:
        await asyncio.gather(*(keys(here.alice, BOB) for _ in range(5)))
        assert bobs.asked == ["user/keys/query"]

    async def test_are_not_asked_again_by_who_looked_before_the_answer_came(
        self, here: Here, bobs: Bobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whereabouts = here.server.server.federation.edus.devices._whereabouts
        look, answered, is_first = whereabouts.who_meets_us, asyncio.Event(), iter([True, False])

        async def look_slowly(user_ids: Collection[str]) -> set[str]:
            if not next(is_first, True):
                await answered.wait()
            return await look(user_ids)

        monkeypatch.setattr(whereabouts, "who_meets_us", look_slowly)
        both = [asyncio.create_task(keys(here.alice, BOB)) for _ in range(2)]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        answered.set()
        assert await asyncio.gather(*both) == [{BOB: ["B"]}] * 2
        assert bobs.asked == ["user/keys/query"]

    async def test_for_strangers_are_always_asked(self, here: Here, bobs: Bobs) -> None:
        stranger = f"@stranger:{REMOTE}"
        bobs.devices[stranger] = {"S": device(stranger, "S")}
        for _ in range(2):
            assert await keys(here.alice, stranger) == {stranger: ["S"]}
        assert len(bobs.asked) == 2

    async def test_for_who_cannot_be_asked_fail(self, here: Here, bobs: Bobs) -> None:
        bobs.is_up = False
        found = (await here.alice.post("/keys/query", {"device_keys": {BOB: []}})).ok()
        assert found["device_keys"] == {}
        assert list(found["failures"]) == [REMOTE]

    async def test_for_single_devices(self, here: Here, bobs: Bobs) -> None:
        bobs.devices[BOB]["X"] = device(BOB, "X")
        found = (await here.alice.post("/keys/query", {"device_keys": {BOB: ["X"]}})).ok()
        assert list(found["device_keys"][BOB]) == ["X"]
        assert await keys(here.alice, BOB) == {BOB: ["B", "X"]}
        assert len(bobs.asked) == 1

    async def test_outlive_the_cache(self, here: Here, bobs: Bobs) -> None:
        await keys(here.alice, BOB)
        here.server.server.federation.edus.devices._known.clear()
        assert await keys(here.alice, BOB) == {BOB: ["B"]}
        assert len(bobs.asked) == 1

    async def test_after_a_leave_are_asked_again(self, here: Here, bobs: Bobs) -> None:
        await keys(here.alice, BOB)
        leave = here.room.tell("m.room.member", {"membership": "leave"}, sender=BOB, state_key=BOB)
        await here.server.server.rooms.accepting.accept(here.room.room_id, [arrival(leave)])
        await keys(here.alice, BOB)
        assert len(bobs.asked) == 2
        here.server.server.federation.edus.devices._known.clear()
        here.server.server.federation.edus.devices._left.clear()
        await keys(here.alice, BOB)
        assert len(bobs.asked) == 3, "what happened is known from the database too"

    async def test_who_is_not_met_any_more_is_forgotten(self, here: Here, bobs: Bobs) -> None:
        await keys(here.alice, BOB, CAROL)
        leave = here.room.tell("m.room.member", {"membership": "leave"}, sender=BOB, state_key=BOB)
        await here.server.server.rooms.accepting.accept(here.room.room_id, [arrival(leave)])
        await checked(here)
        assert list(await remote_devices.of_users(here.server.db, [BOB, CAROL])) == [CAROL]
        (await here.alice.act(here.room.room_id, "leave")).ok()
        await checked(here)
        assert await remote_devices.of_users(here.server.db, [BOB, CAROL]) == {}


def arrival(event: Event) -> Arrival:
    return Arrival(event=event)


async def checked(here: Here) -> None:
    """What follows from a leave has happened."""
    task = here.server.server.federation.edus.devices._checking
    if task is not None:
        await task


class TestUpdates:
    async def test_are_added(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        await here.tell("m.device_list_update", update(6, [5], "NEW"))
        assert await changed(here) == [BOB]
        assert await keys(here.alice, BOB) == {BOB: ["B", "NEW"]}
        await here.tell("m.device_list_update", update(7, [6], "B", deleted=True))
        assert await keys(here.alice, BOB) == {BOB: ["NEW"]}
        assert bobs.asked == []

    async def test_many_are_one_transaction(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        edus = [{"edu_type": "m.device_list_update", "content": update(6 + n, [5 + n], f"D{n}")} for n in range(20)]
        before = here.server.db.counters.write_transactions
        await here.take(*edus)
        assert here.server.db.counters.write_transactions == before + 1
        assert len((await keys(here.alice, BOB))[BOB]) == 21

    async def test_after_a_gap_the_list_is_asked_for(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        bobs.devices[BOB] = {"B": device(BOB, "B"), "LOST": device(BOB, "LOST"), "NEW": device(BOB, "NEW")}
        bobs.stream_id = 9
        await here.tell("m.device_list_update", update(9, [8], "NEW"))
        await resynced(here)
        assert await changed(here) == [BOB]
        assert bobs.asked == [f"user/devices/{BOB}"]
        assert await keys(here.alice, BOB) == {BOB: ["B", "LOST", "NEW"]}
        await here.tell("m.device_list_update", update(10, [9], "LAST"))
        assert await keys(here.alice, BOB) == {BOB: ["B", "LAST", "LOST", "NEW"]}
        assert len(bobs.asked) == 1

    async def test_that_came_before_change_nothing(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        for stream_id in (3, 5):
            await here.tell("m.device_list_update", update(stream_id, [stream_id - 1], "OLD"))
        assert await changed(here) == []
        assert await keys(here.alice, BOB) == {BOB: ["B"]}
        assert bobs.asked == []

    async def test_of_who_is_not_known_are_told(self, here: Here, bobs: Bobs) -> None:
        await here.tell("m.device_list_update", update(6, [5]))
        assert await changed(here) == [BOB]
        assert bobs.asked == []

    async def test_of_strangers_are_passed_over(self, here: Here, bobs: Bobs) -> None:
        await here.tell("m.device_list_update", {**update(6, [5]), "user_id": f"@stranger:{REMOTE}"})
        await here.tell("m.device_list_update", {**update(6, [5]), "user_id": here.alice.user_id})
        await here.tell("m.device_list_update", update(6, [5]), origin="other.test")
        assert await changed(here) == []

    async def test_an_outage_ends_with_the_list(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        bobs.is_up = False
        await here.tell("m.device_list_update", update(9, [8], "NEW"))
        await asyncio.sleep(0.05)
        assert await changed(here) == [BOB], "clients learn that something is missing"
        edus = here.server.server.federation.edus
        await edus.resync.close()
        bobs.is_up = True
        bobs.devices[BOB] = {"NEW": device(BOB, "NEW")}
        await edus.resync.start()
        await resynced(here)
        assert await changed(here) == [BOB]
        assert await keys(here.alice, BOB) == {BOB: ["NEW"]}

    async def test_many_users_are_asked_for_together(self, here: Here, bobs: Bobs) -> None:
        users = [f"@u{number}:{REMOTE}" for number in range(40)]
        for user_id in users:
            event = here.room.join(user_id)
            await here.server.server.rooms.accepting.accept(here.room.room_id, [arrival(event)])
            bobs.devices[user_id] = {"D": device(user_id, "D")}
        await keys(here.alice, *users)
        bobs.elsewhere.asked.clear()
        edus = [
            {"edu_type": "m.device_list_update", "content": {"user_id": user_id, "device_id": "D", "stream_id": 3}}
            for user_id in users
        ]
        await here.take(*edus)
        await resynced(here)
        assert bobs.asked == ["user/keys/query"]
        assert set(users) <= set(await changed(here))


def cross_signing(usage: str, name: int, signer: int | None = None) -> dict[str, Any]:
    public = encode_base64(SigningKey("", bytes([name] * 32)).public_key)
    told: dict[str, Any] = {"user_id": BOB, "usage": [usage], "keys": {f"ed25519:{public}": public}}
    if signer is None:
        return told
    master = encode_base64(SigningKey("", bytes([signer] * 32)).public_key)
    return sign_json(told, BOB, SigningKey(f"ed25519:{master}", bytes([signer] * 32)))


class TestSigningKeys:
    @pytest.mark.parametrize("edu_type", ["m.signing_key_update", "org.matrix.signing_key_update"])
    async def test_are_added(self, here: Here, bobs: Bobs, edu_type: str) -> None:
        await known(here, bobs)
        content: dict[str, Any] = {
            "user_id": BOB,
            "master_key": cross_signing("master", 1),
            "self_signing_key": cross_signing("self_signing", 2, 1),
        }
        await here.tell(edu_type, content)
        assert await changed(here) == [BOB]
        found = (await here.alice.post("/keys/query", {"device_keys": {BOB: []}})).ok()
        assert found["master_keys"][BOB]["keys"] == content["master_key"]["keys"]
        assert found["self_signing_keys"][BOB]["keys"] == content["self_signing_key"]["keys"]
        assert bobs.asked == []

    async def test_that_nobody_signed_are_not(self, here: Here, bobs: Bobs) -> None:
        await known(here, bobs)
        content: dict[str, Any] = {
            "user_id": BOB,
            "master_key": cross_signing("master", 1),
            "self_signing_key": cross_signing("self_signing", 2, 3),
        }
        await here.tell("m.signing_key_update", content)
        found = (await here.alice.post("/keys/query", {"device_keys": {BOB: []}})).ok()
        assert BOB in found["master_keys"]
        assert found["self_signing_keys"] == {}


Steps = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 3)), st.booleans()), min_size=1, max_size=12
)


@given(Steps)
def test_what_is_told_in_pieces_is_the_whole(steps: list[tuple[dict[str, int], bool]]) -> None:
    """Whatever changes, and however rarely the other server is reached: it ends up with the same devices."""
    told: dict[str, Announced] = {}
    theirs = DeviceList(stream_id=0, synced_pos=0)
    position = since = 0
    for devices, is_reached in [*steps, ({"A": 9}, True)]:
        keys_now = UserKeys(devices={name: encode(device(BOB, name, number)) for name, number in devices.items()})
        changes = changed_devices(keys_now, told, shows_names=False)
        positions = range(position + 1, position + 1 + max(1, len(changes)))
        for one in numbered(changes, positions, positions[-1]):
            told[one.device_id] = one
        position = positions[-1]
        if not is_reached:
            continue
        for _, edu in device_edus(BOB, keys_now, told.values(), since=since, shows_names=False):
            read = read_device_update(REMOTE, decode_lenient(edu)["content"])
            assert read is not None
            theirs = updated(theirs, read)
        since = last_update(told.values())
        assert not theirs.is_stale
        assert dict(theirs.devices) == keys_now.devices
