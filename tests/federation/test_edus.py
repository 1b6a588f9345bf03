"""What a server takes from another one besides events, and what it passes over."""

from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.device import Device
from tests.api.homeserver import Homeserver
from tests.rooms.remote_room import RemoteRoom

REMOTE = "remote.test"
BOB = f"@bob:{REMOTE}"
MALLORY = "@mallory:other.test"


class Here:
    """A server with one user, in a room of another server."""

    def __init__(self, server: Homeserver, alice: Client, room: RemoteRoom) -> None:
        self.server = server
        self.alice = alice
        self.room = room
        self.device = Device(alice)

    async def take(self, *edus: Any, origin: str = REMOTE) -> None:
        """The EDUs of a transaction."""
        await self.server.server.federation.edus.incoming.take(origin, edus)

    async def tell(self, edu_type: str, content: Any, origin: str = REMOTE) -> None:
        await self.take({"edu_type": edu_type, "content": content}, origin=origin)

    async def ephemeral(self, type: str) -> list[Any]:
        return await self.device.ephemeral(self.room.room_id, type)


async def entered(server: Homeserver, room: RemoteRoom) -> Here:
    """Alice has joined, and seen all there is."""
    alice = await server.register("alice")
    await room.let_in(server, alice.user_id)
    here = Here(server, alice, room)
    await here.device.settle()
    return here


@pytest.fixture
async def here(homeserver_on_each: Homeserver) -> Here:
    room = RemoteRoom()
    room.join(BOB)
    room.join(MALLORY)
    return await entered(homeserver_on_each, room)


def typing(room_id: object, user_id: object = BOB, is_typing: object = True) -> dict[str, Any]:
    return {"room_id": room_id, "user_id": user_id, "typing": is_typing}


def receipt(event_id: object, user_id: str = BOB, **data: object) -> dict[str, Any]:
    return {"m.read": {user_id: {"event_ids": [event_id], "data": {"ts": 1000, **data}}}}


def presence(user_id: object = BOB, name: object = "online", **more: object) -> dict[str, Any]:
    return {"push": [{"user_id": user_id, "presence": name, "last_active_ago": 5, **more}]}


def message(user_id: str, n: object, message_id: object = "1", sender: object = BOB) -> dict[str, Any]:
    return {"sender": sender, "type": "m.test", "message_id": message_id, "messages": {user_id: {"*": {"n": n}}}}


NONSENSE: list[Any] = [None, 1, [], {}, "", "x", {"a": 1}, [1], True, "!x:y", "@x:remote.test", "\0", "\ud800", 2**80]


class TestNonsense:
    async def test_is_passed_over(self, here: Here, caplog: pytest.LogCaptureFixture) -> None:
        for value in NONSENSE:
            await here.take({"edu_type": value, "content": value}, {"content": {}}, {"edu_type": "m.typing"})
            for kind in (
                "m.typing",
                "m.receipt",
                "m.presence",
                "m.direct_to_device",
                "m.device_list_update",
                "m.signing_key_update",
                "m.unheard_of",
            ):
                await here.tell(kind, value)
                await here.tell(kind, {here.room.room_id: value, "push": value, "user_id": value, "messages": value})
                await here.tell(kind, {"push": [value], "user_id": BOB, "device_id": value, "stream_id": value})
                await here.tell(
                    kind,
                    {
                        "user_id": BOB,
                        "device_id": "D",
                        "stream_id": 1,
                        "prev_id": value,
                        "keys": value,
                        "sender": BOB,
                        "type": "m.t",
                        "message_id": "n",
                        "messages": {here.alice.user_id: value, BOB: value},
                        "master_key": value,
                        "self_signing_key": value,
                    },
                )
        for value in NONSENSE:
            await here.tell("m.typing", typing(value))
            await here.tell("m.typing", typing(here.room.room_id, value))
            await here.tell("m.typing", typing(here.room.room_id, is_typing=value))
            await here.tell("m.receipt", {here.room.room_id: {"m.read": value}})
            await here.tell("m.receipt", {here.room.room_id: {"m.read": {BOB: value}}})
            await here.tell("m.receipt", {here.room.room_id: {"m.read": {BOB: {"event_ids": value, "data": value}}}})
            await here.tell("m.receipt", {here.room.room_id: receipt(here.room.tip.event_id, thread_id=value)})
            await here.tell("m.presence", presence(value))
            await here.tell("m.presence", presence(name=value))
            await here.tell("m.presence", presence(status_msg=value, last_active_ago=value, currently_active=value))
            await here.tell("m.direct_to_device", message(here.alice.user_id, value, message_id=value, sender=value))
        (await here.alice.get("/sync")).ok()
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class TestTyping:
    async def test_is_shown(self, here: Here) -> None:
        await here.tell("m.typing", typing(here.room.room_id))
        assert await here.ephemeral("m.typing") == [{"user_ids": [BOB]}]
        await here.tell("m.typing", typing(here.room.room_id, is_typing=False))
        assert await here.ephemeral("m.typing") == [{"user_ids": []}]

    @pytest.mark.parametrize("user_id", ["@stranger:remote.test", MALLORY, "@alice:ranvier.test"])
    async def test_of_others_is_not(self, here: Here, user_id: str) -> None:
        await here.tell("m.typing", typing(here.room.room_id, user_id))
        assert await here.ephemeral("m.typing") == []


class TestReceipts:
    async def test_are_shown(self, here: Here) -> None:
        event_id = await here.alice.say(here.room.room_id, "hello")
        await here.device.settle()
        await here.tell("m.receipt", {here.room.room_id: receipt(event_id)})
        assert await here.ephemeral("m.receipt") == [{event_id: {"m.read": {BOB: {"ts": 1000}}}}]

    async def test_lead_forward_only(self, here: Here) -> None:
        first = await here.alice.say(here.room.room_id, "1")
        second = await here.alice.say(here.room.room_id, "2")
        await here.device.settle()
        await here.tell("m.receipt", {here.room.room_id: receipt(second)})
        await here.tell("m.receipt", {here.room.room_id: receipt(first)})
        assert await here.ephemeral("m.receipt") == [{second: {"m.read": {BOB: {"ts": 1000}}}}]

    async def test_of_threads_stand_by_themselves(self, here: Here) -> None:
        first = await here.alice.say(here.room.room_id, "1")
        await here.device.settle()
        await here.tell("m.receipt", {here.room.room_id: receipt(first)})
        await here.tell("m.receipt", {here.room.room_id: receipt(first, thread_id="main")})
        found = await here.ephemeral("m.receipt")
        shown = [content[first]["m.read"][BOB].get("thread_id") for content in found]
        assert sorted(shown, key=str) == [None, "main"]

    @pytest.mark.parametrize("user_id", ["@stranger:remote.test", MALLORY, "@alice:ranvier.test"])
    async def test_of_others_are_not(self, here: Here, user_id: str) -> None:
        event_id = await here.alice.say(here.room.room_id, "hello")
        await here.device.settle()
        await here.tell("m.receipt", {here.room.room_id: receipt(event_id, user_id)})
        await here.tell("m.receipt", {here.room.room_id: {"m.read.private": receipt(event_id)["m.read"]}})
        assert await here.ephemeral("m.receipt") == []

    async def test_many_are_one_transaction(self, here: Here) -> None:
        event_id = await here.alice.say(here.room.room_id, "hello")
        contents: list[dict[str, Any]] = []
        for thread in (None, "main", "$a", "$b"):
            data = {} if thread is None else {"thread_id": thread}
            contents.append({"edu_type": "m.receipt", "content": {here.room.room_id: receipt(event_id, **data)}})
        before = here.server.db.counters.write_transactions
        await here.take(*contents)
        assert here.server.db.counters.write_transactions == before + 1


class TestAcl:
    async def test_keeps_out_what_is_of_the_room(self, homeserver_on_each: Homeserver) -> None:
        room = RemoteRoom()
        room.join(BOB)
        room.tell("m.room.server_acl", {"allow": ["*"], "deny": [REMOTE]}, state_key="")
        here = await entered(homeserver_on_each, room)
        event_id = await here.alice.say(here.room.room_id, "hello")
        await here.device.settle()
        await here.tell("m.typing", typing(here.room.room_id))
        await here.tell("m.receipt", {here.room.room_id: receipt(event_id)})
        assert await here.ephemeral("m.typing") == []
        assert "rooms" not in await here.device.sync()


class TestPresence:
    async def test_is_shown(self, here: Here) -> None:
        await here.tell("m.presence", presence(status_msg="hi", currently_active=True))
        (event,) = (await here.device.sync())["presence"]["events"]
        assert event["sender"] == BOB
        content = event["content"]
        assert (content["presence"], content["status_msg"], content["currently_active"]) == ("online", "hi", True)
        await here.tell("m.presence", presence(name="offline"))
        (event,) = (await here.device.sync())["presence"]["events"]
        assert event["content"]["presence"] == "offline"

    @pytest.mark.parametrize("user_id", ["@stranger:remote.test", MALLORY, "@alice:ranvier.test"])
    async def test_of_others_is_not(self, here: Here, user_id: str) -> None:
        await here.tell("m.presence", presence(user_id, status_msg="forged"))
        events = (await here.device.sync()).get("presence", {}).get("events", [])
        assert [event for event in events if event["content"].get("status_msg") == "forged"] == []


class TestMessagesToDevices:
    async def inbox(self, here: Here) -> list[Any]:
        events = (await here.device.sync()).get("to_device", {}).get("events", [])
        return [(event["sender"], event["type"], event["content"]["n"]) for event in events]

    async def test_arrive_once(self, here: Here) -> None:
        for _ in range(2):
            await here.tell("m.direct_to_device", message(here.alice.user_id, 1))
        await here.tell("m.direct_to_device", message(here.alice.user_id, 2, "2"))
        assert await self.inbox(here) == [(BOB, "m.test", 1), (BOB, "m.test", 2)]

    async def test_the_same_id_of_another_server_is_another_message(self, here: Here) -> None:
        await here.tell("m.direct_to_device", message(here.alice.user_id, 1))
        await here.tell("m.direct_to_device", message(here.alice.user_id, 2, sender=MALLORY), origin="other.test")
        assert await self.inbox(here) == [(BOB, "m.test", 1), (MALLORY, "m.test", 2)]

    async def test_from_users_of_other_servers_do_not(self, here: Here) -> None:
        for sender in (MALLORY, here.alice.user_id, "bob", ""):
            await here.tell("m.direct_to_device", message(here.alice.user_id, 1, sender=sender))
        assert await self.inbox(here) == []

    async def test_all_of_a_transaction_are_one_write(self, here: Here) -> None:
        edus = [
            {"edu_type": "m.direct_to_device", "content": message(here.alice.user_id, number, str(number))}
            for number in range(100)
        ]
        before = here.server.db.counters.write_transactions
        await here.take(*edus)
        assert here.server.db.counters.write_transactions == before + 1
        assert [n for _, _, n in await self.inbox(here)] == list(range(100))
        await here.take(*edus)
        assert await self.inbox(here) == []
