"""Receipts. Spec: client-server API, "Receipts"."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.device import Device, filtered
from tests.api.homeserver import Homeserver, running


async def receipt(
    client: Client, room_id: str, event_id: str, kind: str = "m.read", body: Mapping[str, Any] | None = None
) -> Answer:
    return await client.post(f"{in_room(room_id)}/receipt/{kind}/{part(event_id)}", body)


async def threaded(client: Client, room_id: str, root: str) -> str:
    content = {"body": "in thread", "msgtype": "m.text", "m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    event_id: str = (await client.send(room_id, "m.room.message", content)).ok()["event_id"]
    return event_id


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def test_everyone_is_told_of_a_public_receipt_once(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    device = Device(alice)
    await device.settle()
    assert (await receipt(bob, room_id, event_id)).ok() == {}
    (content,) = await device.ephemeral(room_id, "m.receipt")
    ts = content[event_id]["m.read"][bob.user_id].pop("ts")
    assert isinstance(ts, int) and ts > 1_000_000_000_000
    assert content == {event_id: {"m.read": {bob.user_id: {}}}}
    assert await device.ephemeral(room_id, "m.receipt") == []


async def test_a_receipt_wakes_those_who_wait(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    device = Device(alice)
    await device.settle()
    waiting = await device.waiting()
    (await receipt(bob, room_id, event_id)).ok()
    answer = await asyncio.wait_for(waiting, 1)
    (event,) = answer["rooms"]["join"][room_id]["ephemeral"]["events"]
    assert event["type"] == "m.receipt" and event_id in event["content"]


async def test_a_private_receipt_is_told_to_its_own_user_only(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    mine, theirs = Device(bob), Device(alice)
    await mine.settle()
    await theirs.settle()
    (await receipt(bob, room_id, event_id, "m.read.private")).ok()
    (content,) = await mine.ephemeral(room_id, "m.receipt")
    assert content[event_id].keys() == {"m.read.private"}
    assert await theirs.ephemeral(room_id, "m.receipt") == []
    (first,) = await Device(bob).ephemeral(room_id, "m.receipt")
    assert first == content
    assert await Device(alice).ephemeral(room_id, "m.receipt") == []


async def test_a_first_sync_shows_where_everybody_is(alice: Client, bob: Client, room_id: str) -> None:
    first, second = await alice.say(room_id, "1"), await alice.say(room_id, "2")
    await receipt(bob, room_id, first)
    await receipt(alice, room_id, second)
    for _ in range(2):
        (content,) = await Device(alice).ephemeral(room_id, "m.receipt")
        assert {event_id: set(kinds["m.read"]) for event_id, kinds in content.items()} == {
            first: {bob.user_id},
            second: {alice.user_id},
        }
    await receipt(bob, room_id, second)
    (content,) = await Device(alice).ephemeral(room_id, "m.receipt")
    assert content.keys() == {second} and content[second]["m.read"].keys() == {alice.user_id, bob.user_id}


async def test_a_receipt_never_moves_back(alice: Client, bob: Client, room_id: str) -> None:
    first, second = await alice.say(room_id, "1"), await alice.say(room_id, "2")
    await receipt(bob, room_id, second)
    device = Device(alice)
    await device.settle()
    (await receipt(bob, room_id, first)).ok()
    (await receipt(bob, room_id, second)).ok()
    assert await device.ephemeral(room_id, "m.receipt") == []


async def test_threads_have_receipts_of_their_own(alice: Client, bob: Client, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    answer = await threaded(alice, room_id, root)
    device = Device(alice)
    await device.settle()
    (await receipt(bob, room_id, root, body={"thread_id": "main"})).ok()
    (await receipt(bob, room_id, answer, body={"thread_id": root})).ok()
    (await receipt(bob, room_id, answer)).ok()
    contents = await device.ephemeral(room_id, "m.receipt")
    told = {
        (event_id, body.get("thread_id"))
        for content in contents
        for event_id, kinds in content.items()
        for body in kinds["m.read"].values()
    }
    assert told == {(root, "main"), (answer, root), (answer, None)}


@pytest.mark.parametrize("thread_id", ["", 5, None, {}, "$strange"])
async def test_a_wrong_thread_is_refused(alice: Client, room_id: str, thread_id: object) -> None:
    event_id = await alice.say(room_id, "x")
    (await receipt(alice, room_id, event_id, body={"thread_id": thread_id})).refused(400, "M_INVALID_PARAM")


async def test_an_event_of_another_thread_is_refused(alice: Client, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    answer = await threaded(alice, room_id, root)
    (await receipt(alice, room_id, answer, body={"thread_id": "main"})).refused(400, "M_INVALID_PARAM")
    other = await alice.say(room_id, "x")
    (await receipt(alice, room_id, other, body={"thread_id": root})).refused(400, "M_INVALID_PARAM")


async def test_the_fully_read_marker_has_no_threads(alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    answer = await receipt(alice, room_id, event_id, "m.fully_read", {"thread_id": "main"})
    answer.refused(400, "M_INVALID_PARAM")


async def test_unknown_kinds_are_refused(alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    (await receipt(alice, room_id, event_id, "m.strange")).refused(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("event_id", ["$nothing", "x", "$nul\0", ""])
async def test_unknown_events_are_refused(alice: Client, room_id: str, event_id: str) -> None:
    answer = await receipt(alice, room_id, event_id)
    assert answer.status == 404


async def test_events_of_other_rooms_are_refused(alice: Client, room_id: str) -> None:
    elsewhere = await alice.say(await alice.create_room(), "x")
    (await receipt(alice, room_id, elsewhere)).refused(404, "M_NOT_FOUND")


async def test_strangers_are_refused(alice: Client, carol: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    (await receipt(carol, room_id, event_id)).refused(403, "M_FORBIDDEN")
    (await receipt(carol, "!nowhere:ranvier.test", event_id)).refused(403, "M_FORBIDDEN")


async def test_a_filter_can_leave_receipts_out(alice: Client, bob: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    choices: list[dict[str, list[str]]] = [{"not_types": ["m.receipt"]}, {"types": []}, {"not_rooms": [room_id]}]
    for choice in choices:
        device = Device(alice, **filtered(room={"ephemeral": choice}))
        await device.settle()
        await receipt(bob, room_id, event_id)
        assert await device.ephemeral(room_id, "m.receipt") == []


async def test_many_receipts_at_once(homeserver: Homeserver, alice: Client, room_id: str) -> None:
    event_id = await alice.say(room_id, "x")
    device = Device(alice)
    await device.settle()
    people = [await homeserver.register(f"user{n}") for n in range(8)]
    for person in people:
        await person.act(room_id, "join")
    await asyncio.gather(*(receipt(person, room_id, event_id) for person in people))
    (content,) = await device.ephemeral(room_id, "m.receipt")
    assert content[event_id]["m.read"].keys() == {person.user_id for person in people}


async def test_receipts_outlive_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "restart.db")}}
    async with running(database) as homeserver:
        alice = await homeserver.register("alice")
        room_id = await alice.create_room()
        first, second = await alice.say(room_id, "1"), await alice.say(room_id, "2")
        device = Device(alice)
        await device.settle()
        await receipt(alice, room_id, second)
        await receipt(alice, room_id, second, "m.read.private")
    async with running(database) as homeserver:
        device.client = alice = alice.at(homeserver.app)
        (content,) = await device.ephemeral(room_id, "m.receipt")
        assert content[second].keys() == {"m.read", "m.read.private"}
        await device.settle()
        await receipt(alice, room_id, first)
        assert await device.ephemeral(room_id, "m.receipt") == []
