"""Deactivation with `erase`: who came later sees what the user said as if it had been redacted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.device import Device
from tests.api.homeserver import Homeserver, running
from tests.api.test_account import confirmed


async def said_by(client: Client, room_id: str, sender: str) -> list[Any]:
    """The contents of a user's messages in `/messages`."""
    chunk = (await client.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
    return [event["content"] for event in chunk if event["sender"] == sender and event["type"] == "m.room.message"]


async def synced(client: Client, room_id: str, sender: str) -> list[Any]:
    """The same in a first sync."""
    events = (await Device(client).joined(room_id))["timeline"]["events"]
    return [event["content"] for event in events if event["sender"] == sender and event["type"] == "m.room.message"]


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    await bob.say(room_id, "secret")
    return room_id


async def test_who_comes_later_sees_nothing(homeserver: Homeserver, alice: Client, bob: Client, room_id: str) -> None:
    whole = {"msgtype": "m.text", "body": "secret"}
    assert await synced(alice, room_id, bob.user_id) == [whole]
    await confirmed(bob, "POST", "/account/deactivate", {"erase": True})
    carol = await homeserver.register("carol")
    (await carol.act(room_id, "join")).ok()
    for client, expected in ((alice, whole), (carol, {}), (alice, whole)):
        assert await said_by(client, room_id, bob.user_id) == [expected]
        assert await synced(client, room_id, bob.user_id) == [expected]
    chunk = (await carol.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
    (event_id,) = [e["event_id"] for e in chunk if e["sender"] == bob.user_id and e["type"] == "m.room.message"]
    assert (await carol.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()["content"] == {}
    assert (await alice.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()["content"] == whole
    assert (await carol.get(f"{in_room(room_id)}/context/{part(event_id)}")).ok()["event"]["content"] == {}
    # A former member comes back: they had seen it.
    (await alice.act(room_id, "leave")).ok()
    (await alice.act(room_id, "join")).ok()
    assert await said_by(alice, room_id, bob.user_id) == [whole]


async def test_neither_in_what_others_are_shown_with(
    homeserver: Homeserver, alice: Client, bob: Client, room_id: str
) -> None:
    root = await alice.say(room_id, "root")
    relation = {"rel_type": "m.thread", "event_id": root}
    (await bob.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "answer", "m.relates_to": relation})).ok()
    await confirmed(bob, "POST", "/account/deactivate", {"erase": True})
    carol = await homeserver.register("carol")
    (await carol.act(room_id, "join")).ok()
    for client, hidden in ((alice, False), (carol, True)):
        event = (await client.get(f"{in_room(room_id)}/event/{part(root)}")).ok()
        latest = event["unsigned"]["m.relations"]["m.thread"]["latest_event"]
        assert ("body" not in latest["content"]) is hidden
        threads = (await client.request("GET", f"/_matrix/client/v1{in_room(room_id)}/threads")).ok()
        assert ("answer" not in str(threads)) is hidden
        children = await client.request("GET", f"/_matrix/client/v1{in_room(room_id)}/relations/{part(root)}")
        assert ("answer" not in str(children.ok())) is hidden


async def test_without_erasure_all_stays(homeserver: Homeserver, bob: Client, room_id: str) -> None:
    await confirmed(bob, "POST", "/account/deactivate", {})
    carol = await homeserver.register("carol")
    (await carol.act(room_id, "join")).ok()
    assert await said_by(carol, room_id, bob.user_id) == [{"msgtype": "m.text", "body": "secret"}]


async def test_what_the_user_kept_is_gone(homeserver: Homeserver, bob: Client, room_id: str) -> None:
    own = f"/user/{part(bob.user_id)}"
    (await bob.put(f"{own}/account_data/org.example", {"x": 1})).ok()
    (await bob.put(f"{own}/rooms/{part(room_id)}/tags/m.favourite", {})).ok()
    (await bob.post(f"{own}/filter", {})).ok()
    (await bob.put("/pushrules/global/room/!x:y", {"actions": []})).ok()
    (await bob.put(f"/profile/{part(bob.user_id)}/displayname", {"displayname": "Bob"})).ok()
    await confirmed(bob, "POST", "/account/deactivate", {"erase": True})
    for table in ("account_data", "user_filters", "push_rules"):
        assert await homeserver.db.value(f"SELECT COUNT(*) FROM {table} WHERE user_id = $1", bob.user_id) == 0
    profile = await homeserver.stranger().get(f"/profile/{part(bob.user_id)}")
    assert "Bob" not in profile.body.decode()


async def test_it_outlives_a_restart_and_ends_with_a_return(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        await bob.say(room_id, "secret")
        await confirmed(bob, "POST", "/account/deactivate", {"erase": True})
    async with running(database) as server:
        carol = await server.register("carol")
        (await carol.act(room_id, "join")).ok()
        assert await said_by(carol, room_id, bob.user_id) == [{}]
        await server.server.users.account_changes.reactivate(bob.user_id, "new password")
        assert await said_by(carol, room_id, bob.user_id) == [{"msgtype": "m.text", "body": "secret"}]


async def test_others_miss_nothing_of_what_comes_after(db_config: Mapping[str, Any]) -> None:
    """Positions of what was deleted are not given out again after a restart."""
    async with running(db_config) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        for number in range(3):
            (await bob.put(f"/user/{part(bob.user_id)}/account_data/org.example.{number}", {"x": 1})).ok()
        device = Device(alice)
        await device.settle()
        await confirmed(bob, "POST", "/account/deactivate", {"erase": True})
    async with running(db_config) as server:
        device.client = alice.at(server.app)
        (await device.client.put(f"/user/{part(alice.user_id)}/account_data/org.example.new", {"x": 1})).ok()
        events = (await device.sync())["account_data"]["events"]
        assert [event["type"] for event in events] == ["org.example.new"]
