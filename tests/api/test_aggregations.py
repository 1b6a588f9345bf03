"""Spec: client-server API, "Aggregations of child events", "Server behaviour" of edits, threads and references."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import SERVER_NAME, Homeserver, running

Json = dict[str, Any]


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def relate(
    client: Client,
    room_id: str,
    parent: str,
    rel_type: str,
    content: Mapping[str, object] = MappingProxyType({}),
    type: str = "m.room.message",
) -> str:
    """The id of a new event that relates to `parent`."""
    body = {"body": "x", **content, "m.relates_to": {"rel_type": rel_type, "event_id": parent}}
    event_id: str = (await client.send(room_id, type, body)).ok()["event_id"]
    return event_id


async def edit(client: Client, room_id: str, parent: str, text: str = "new") -> str:
    await asyncio.sleep(0.002)  # Edits of one millisecond are ordered by their ids.
    return await relate(client, room_id, parent, "m.replace", {"body": f"* {text}", "m.new_content": {"body": text}})


async def event(client: Client, room_id: str, event_id: str) -> Json:
    found: Json = (await client.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()
    return found


async def bundle(client: Client, room_id: str, event_id: str) -> Json:
    """What is shown with an event."""
    found: Json = (await event(client, room_id, event_id))["unsigned"].get("m.relations", {})
    return found


async def everywhere(client: Client, room_id: str, event_id: str) -> list[Json]:
    """The same event from everything that shows aggregations."""
    around = (await client.get(f"{in_room(room_id)}/context/{part(event_id)}")).ok()
    beside = (await client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()["chunk"]
    choice = '{"room": {"timeline": {"limit": 20}}}'
    sync = (await client.get("/sync", filter=choice)).ok()["rooms"]["join"][room_id]["timeline"]["events"]
    listed = [found for found in (*beside, *sync) if found["event_id"] == event_id]
    assert len(listed) == 2
    return [await event(client, room_id, event_id), around["event"], *listed]


async def test_the_newest_edit_is_shown_whole_everywhere(alice: Client, bob: Client, room_id: str) -> None:
    message = await alice.say(room_id, "old")
    await edit(alice, room_id, message, "first")
    newest = await edit(alice, room_id, message, "second")
    for client in (alice, bob):
        for shown in await everywhere(client, room_id, message):
            assert shown["content"] == {"msgtype": "m.text", "body": "old"}
            relations = shown["unsigned"]["m.relations"]
            assert relations.keys() == {"m.replace"}
            replacement = relations["m.replace"]
            assert replacement["event_id"] == newest
            assert replacement["sender"] == alice.user_id
            assert replacement["type"] == "m.room.message"
            assert replacement["content"]["m.new_content"] == {"body": "second"}
            assert ("room_id" in replacement) is ("room_id" in shown)
            assert "origin_server_ts" in replacement


async def test_edits_that_edit_nothing(alice: Client, bob: Client, room_id: str) -> None:
    message = await alice.say(room_id, "old")
    await edit(bob, room_id, message)
    await relate(alice, room_id, message, "m.replace")
    await relate(alice, room_id, message, "m.replace", {"m.new_content": {}}, type="m.other")
    assert await bundle(alice, room_id, message) == {}
    first = await edit(alice, room_id, message)
    await edit(alice, room_id, first)
    assert (await bundle(alice, room_id, message))["m.replace"]["event_id"] == first
    assert await bundle(alice, room_id, first) == {}


async def test_state_is_not_edited(alice: Client, room_id: str) -> None:
    topic = (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()["event_id"]
    await relate(alice, room_id, topic, "m.replace", {"m.new_content": {}}, type="m.room.topic")
    await relate(alice, room_id, topic, "m.reference")
    assert await bundle(alice, room_id, topic) == {}
    message = await alice.say(room_id, "x")
    relates_to = {"rel_type": "m.replace", "event_id": message}
    content = {"m.new_content": {}, "m.relates_to": relates_to}
    (await alice.set_state(room_id, "m.room.message", content)).ok()
    assert await bundle(alice, room_id, message) == {}


async def test_children_in_another_room_do_not_count(alice: Client, room_id: str) -> None:
    message = await alice.say(room_id, "x")
    other_room = await alice.create_room()
    await relate(alice, room_id, await alice.say(room_id, "y"), "m.reference")
    await edit(alice, other_room, message)
    for rel_type in ("m.reference", "m.thread"):
        await relate(alice, other_room, message, rel_type)
    assert await bundle(alice, room_id, message) == {}


async def test_what_is_encrypted_is_edited_by_what_is_encrypted(alice: Client, room_id: str) -> None:
    secret = (await alice.send(room_id, "m.room.encrypted", {"ciphertext": "x"})).ok()["event_id"]
    await edit(alice, room_id, secret)
    assert await bundle(alice, room_id, secret) == {}
    newer = await relate(alice, room_id, secret, "m.replace", {"ciphertext": "y"}, type="m.room.encrypted")
    assert (await bundle(alice, room_id, secret))["m.replace"]["event_id"] == newer


async def test_a_redacted_edit_gives_way_to_the_one_before(alice: Client, room_id: str) -> None:
    message = await alice.say(room_id, "old")
    first, second = await edit(alice, room_id, message, "1"), await edit(alice, room_id, message, "2")
    assert (await bundle(alice, room_id, message))["m.replace"]["event_id"] == second
    (await alice.redact(room_id, second)).ok()
    for shown in await everywhere(alice, room_id, message):
        assert shown["unsigned"]["m.relations"]["m.replace"]["event_id"] == first
    (await alice.redact(room_id, first)).ok()
    assert await bundle(alice, room_id, message) == {}


async def test_a_redacted_event_loses_its_edits_but_not_its_thread(alice: Client, room_id: str) -> None:
    message = await alice.say(room_id, "old")
    await edit(alice, room_id, message)
    await relate(alice, room_id, message, "m.thread")
    await relate(alice, room_id, message, "m.reference")
    (await alice.redact(room_id, message)).ok()
    assert (await bundle(alice, room_id, message)).keys() == {"m.thread", "m.reference"}


async def test_references_are_listed(alice: Client, bob: Client, room_id: str) -> None:
    message = await alice.say(room_id, "x")
    sent = [await relate(client, room_id, message, "m.reference") for client in (alice, bob, alice)]
    expected = {"m.reference": {"chunk": [{"event_id": event_id} for event_id in sent]}}
    assert await bundle(bob, room_id, message) == expected
    for shown in await everywhere(bob, room_id, message):
        assert shown["unsigned"]["m.relations"] == expected
    (await bob.redact(room_id, sent[1])).ok()
    left = [found["event_id"] for found in (await bundle(bob, room_id, message))["m.reference"]["chunk"]]
    assert left == [sent[0], sent[2]]


async def test_annotations_are_not_aggregated(alice: Client, room_id: str) -> None:
    message = await alice.say(room_id, "x")
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": message, "key": "👍"}}
    (await alice.send(room_id, "m.reaction", content)).ok()
    assert await bundle(alice, room_id, message) == {}


async def test_a_thread(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    (await carol.act(room_id, "join")).ok()
    root = await alice.say(room_id, "root")
    await relate(bob, room_id, root, "m.thread")
    newest = await relate(bob, room_id, root, "m.thread")
    await edit(bob, room_id, newest, "edited")
    for client, participated in ((alice, True), (bob, True), (carol, False)):
        for shown in await everywhere(client, room_id, root):
            thread = shown["unsigned"]["m.relations"]["m.thread"]
            assert thread["count"] == 2
            assert thread["current_user_participated"] is participated
            latest = thread["latest_event"]
            assert latest["event_id"] == newest
            assert ("room_id" in latest) is ("room_id" in shown)
            assert latest["unsigned"]["m.relations"]["m.replace"]["content"]["m.new_content"] == {"body": "edited"}
    (await bob.redact(room_id, newest)).ok()
    thread = (await bundle(carol, room_id, root))["m.thread"]
    assert thread["count"] == 1
    await relate(carol, room_id, root, "m.thread")
    assert (await bundle(carol, room_id, root))["m.thread"]["current_user_participated"] is True


async def test_ignored_users_do_not_count(alice: Client, bob: Client, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    mine = await relate(alice, room_id, root, "m.thread")
    await relate(bob, room_id, root, "m.thread")
    await relate(bob, room_id, root, "m.reference")
    theirs = await bob.say(room_id, "theirs")
    await edit(bob, room_id, theirs)
    assert (await bundle(alice, room_id, root))["m.thread"]["count"] == 2
    path = f"/user/{part(alice.user_id)}/account_data/m.ignored_user_list"
    (await alice.put(path, {"ignored_users": {bob.user_id: {}, alice.user_id: {}}})).ok()
    for shown in await everywhere(alice, room_id, root):
        relations = shown["unsigned"]["m.relations"]
        assert relations.keys() == {"m.thread"}
        assert (relations["m.thread"]["count"], relations["m.thread"]["latest_event"]["event_id"]) == (1, mine)
    assert await bundle(alice, room_id, theirs) == {}
    assert (await bundle(bob, room_id, root))["m.thread"]["count"] == 2
    (await alice.put(path, {"ignored_users": []})).ok()
    assert (await bundle(alice, room_id, root))["m.thread"]["count"] == 2


async def test_an_edit_that_was_made_while_one_was_away_stays_secret(alice: Client, bob: Client) -> None:
    state = [{"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}]
    room_id = await alice.create_room(preset="public_chat", initial_state=state)
    (await bob.act(room_id, "join")).ok()
    root = await alice.say(room_id, "root")
    seen = await relate(alice, room_id, root, "m.thread")
    (await bob.act(room_id, "leave")).ok()
    await edit(alice, room_id, root, "secret")
    (await bob.act(room_id, "join")).ok()
    assert "m.replace" not in await bundle(bob, room_id, root)
    assert (await bundle(bob, room_id, root))["m.thread"]["latest_event"]["event_id"] == seen
    page = (await bob.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()
    sync = (await bob.get("/sync", filter='{"room": {"timeline": {"limit": 100}}}')).ok()
    assert b"secret" not in orjson.dumps([page, sync])
    assert "m.replace" in await bundle(alice, room_id, root)


async def test_my_own_edit_carries_its_transaction(alice: Client, bob: Client, room_id: str) -> None:
    message = await alice.say(room_id, "x")
    content = {"m.new_content": {}, "m.relates_to": {"rel_type": "m.replace", "event_id": message}}
    (await alice.send(room_id, "m.room.message", content, txn_id="mine")).ok()
    assert (await bundle(alice, room_id, message))["m.replace"]["unsigned"]["transaction_id"] == "mine"
    assert "transaction_id" not in (await bundle(bob, room_id, message))["m.replace"]["unsigned"]


async def test_aggregations_outlive_a_restart(db_config: Json) -> None:
    async with running(db_config) as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        message, root = await alice.say(room_id, "x"), await alice.say(room_id, "root")
        await edit(alice, room_id, message, "1")
        newest = await edit(alice, room_id, message, "2")
        await relate(alice, room_id, message, "m.reference")
        answers = [await relate(alice, room_id, root, "m.thread") for _ in range(3)]
        await edit(alice, room_id, answers[2])
        before = [await bundle(alice, room_id, shown) for shown in (message, root)]
    async with running(db_config) as server:
        again = alice.at(server.app)
        after = [await bundle(again, room_id, shown) for shown in (message, root)]
        assert after[0]["m.replace"]["event_id"] == newest
        assert _without_age(after) == _without_age(before)
        assert SERVER_NAME in alice.user_id


def _without_age(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_age(part) for key, part in value.items() if key != "age"}
    return [_without_age(part) for part in value] if isinstance(value, list) else value


async def test_edits_are_ordered_by_their_senders_clock(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    """Of edits in the same millisecond the greatest id counts; some of these may be."""
    message = await alice.say(room_id, "x")
    for n in range(5):
        await relate(alice, room_id, message, "m.replace", {"m.new_content": {"n": n}})
    path = f"/_matrix/client/v1{in_room(room_id)}/relations/{part(message)}/m.replace"
    edits = (await alice.request("GET", path)).ok()["chunk"]
    newest = max(edits, key=lambda found: (found["origin_server_ts"], found["event_id"]))
    assert (await bundle(alice, room_id, message))["m.replace"]["event_id"] == newest["event_id"]
