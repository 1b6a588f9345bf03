"""Unread notifications in `/sync`. Spec: client-server API, "Receiving notifications", "Threaded read receipts"."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.device import Device, filtered
from tests.api.homeserver import Homeserver, running

THREADS = filtered(room={"timeline": {"unread_thread_notifications": True}})


async def read(client: Client, room_id: str, event_id: str, thread: str | None = None, kind: str = "m.read") -> Answer:
    body = {} if thread is None else {"thread_id": thread}
    return await client.post(f"{in_room(room_id)}/receipt/{kind}/{part(event_id)}", body)


async def say(client: Client, room_id: str, root: str | None = None, **content: Any) -> str:
    relation = {} if root is None else {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    answer = await client.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "x", **relation, **content})
    event_id: str = answer.ok()["event_id"]
    return event_id


def mention(client: Client) -> dict[str, Any]:
    return {"m.mentions": {"user_ids": [client.user_id]}}


def counts(section: Any) -> tuple[int, int]:
    """Notifications, and highlights among them."""
    found = section["unread_notifications"]
    return found["notification_count"], found["highlight_count"]


async def unread(client: Client, room_id: str) -> tuple[int, int]:
    return counts(await Device(client).joined(room_id))


async def by_thread(client: Client, room_id: str) -> dict[str, int]:
    """Notifications by thread; `main` is always there."""
    section = await Device(client, **THREADS).joined(room_id)
    threads = section.get("unread_thread_notifications", {})
    return {"main": counts(section)[0]} | {root: found["notification_count"] for root, found in threads.items()}


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """A room in which Bob has read everything."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def test_messages_of_others_are_unread_until_a_receipt(alice: Client, bob: Client, room_id: str) -> None:
    device = Device(bob)
    await device.settle()
    events = [await say(alice, room_id), await say(alice, room_id, **mention(bob)), await say(alice, room_id)]
    assert counts(await device.joined(room_id)) == (3, 1)
    (await read(bob, room_id, events[0])).ok()
    assert counts(await device.joined(room_id)) == (2, 1)
    (await read(bob, room_id, events[2], kind="m.read.private")).ok()
    assert counts(await device.joined(room_id)) == (0, 0)
    assert await unread(bob, room_id) == (0, 0)


async def test_the_receipt_that_is_further_ahead_counts(alice: Client, bob: Client, room_id: str) -> None:
    events = [await say(alice, room_id) for _ in range(4)]
    await read(bob, room_id, events[2])
    await read(bob, room_id, events[0], kind="m.read.private")
    assert await unread(bob, room_id) == (1, 0)
    await read(bob, room_id, events[3], kind="m.read.private")
    assert await unread(bob, room_id) == (0, 0)


async def test_a_receipt_before_the_first_sync_counts(alice: Client, bob: Client, room_id: str) -> None:
    events = [await say(alice, room_id) for _ in range(3)]
    await read(bob, room_id, events[1])
    assert await unread(bob, room_id) == (1, 0)


async def test_what_was_said_before_one_came_is_not_unread(alice: Client, carol: Client, room_id: str) -> None:
    await say(alice, room_id)
    (await carol.act(room_id, "join")).ok()
    assert await unread(carol, room_id) == (0, 0)
    await say(alice, room_id)
    assert await unread(carol, room_id) == (1, 0)
    await carol.act(room_id, "leave")
    await say(alice, room_id)
    (await carol.act(room_id, "join")).ok()
    assert await unread(carol, room_id) == (0, 0)


async def test_who_answers_has_read(alice: Client, bob: Client, room_id: str) -> None:
    await say(alice, room_id)
    await say(bob, room_id)
    assert await unread(bob, room_id) == (0, 0)
    await say(alice, room_id)
    assert await unread(bob, room_id) == (1, 0)


async def test_a_new_name_is_no_answer(alice: Client, bob: Client, room_id: str) -> None:
    await say(alice, room_id)
    (await bob.put(f"/profile/{part(bob.user_id)}/displayname", {"displayname": "Robert"})).ok()
    assert await unread(bob, room_id) == (1, 0)


async def test_redacted_messages_are_not_unread(alice: Client, bob: Client, room_id: str) -> None:
    device = Device(bob)
    await device.settle()
    first, second = await say(alice, room_id, **mention(bob)), await say(alice, room_id)
    assert counts(await device.joined(room_id)) == (2, 1)
    (await alice.redact(room_id, first)).ok()
    assert counts(await device.joined(room_id)) == (1, 0)
    (await alice.redact(room_id, second)).ok()
    assert await unread(bob, room_id) == (0, 0)


async def test_each_thread_counts_for_itself(alice: Client, bob: Client, room_id: str) -> None:
    root = await say(alice, room_id)
    answers = [await say(alice, room_id, root) for _ in range(3)]
    last = await say(alice, room_id)
    assert await unread(bob, room_id) == (5, 0)
    assert await by_thread(bob, room_id) == {"main": 2, root: 3}
    await read(bob, room_id, last, "main")
    assert await by_thread(bob, room_id) == {"main": 0, root: 3}
    await read(bob, room_id, answers[1], root)
    assert await by_thread(bob, room_id) == {"main": 0, root: 1}
    assert await unread(bob, room_id) == (1, 0)
    await say(alice, room_id)
    await read(bob, room_id, await say(alice, room_id, root))
    assert await by_thread(bob, room_id) == {"main": 0}


async def test_a_receipt_in_the_main_timeline_leaves_threads_unread(alice: Client, bob: Client, room_id: str) -> None:
    """The example of the spec: A and B are roots; C and E answer A, D and F answer B; I is in the main timeline."""
    a, b = await say(alice, room_id), await say(alice, room_id)
    c, d = await say(alice, room_id, a), await say(alice, room_id, b)
    e = await say(alice, room_id, a)
    await say(alice, room_id, b)
    i = await say(alice, room_id)
    await read(bob, room_id, i, "main")
    assert await by_thread(bob, room_id) == {"main": 0, a: 2, b: 2}
    await read(bob, room_id, e, a)
    assert await by_thread(bob, room_id) == {"main": 0, b: 2}
    await read(bob, room_id, d)
    assert await by_thread(bob, room_id) == {"main": 0, b: 1}
    assert c


async def test_what_relates_to_an_event_of_a_thread_is_in_it(alice: Client, bob: Client, room_id: str) -> None:
    root = await say(alice, room_id)
    answer = await say(alice, room_id, root)
    for parent in (answer, root):
        reference: dict[str, Any] = {"m.relates_to": {"rel_type": "m.reference", "event_id": parent}}
        await say(alice, room_id, **reference)
    assert await by_thread(bob, room_id) == {"main": 2, root: 2}


async def test_answering_in_a_thread_reads_that_thread(alice: Client, bob: Client, room_id: str) -> None:
    root = await say(alice, room_id)
    await say(alice, room_id, root)
    await say(bob, room_id, root)
    assert await by_thread(bob, room_id) == {"main": 1}


async def test_a_users_own_rules_decide(alice: Client, bob: Client, room_id: str) -> None:
    rules = "/pushrules/global"
    (await bob.put(f"{rules}/content/tea", {"pattern": "tea", "actions": ["notify", {"set_tweak": "highlight"}]})).ok()
    await say(alice, room_id, body="green TEA, please")
    assert await unread(bob, room_id) == (1, 1)
    (await bob.put(f"{rules}/room/{part(room_id)}", {"actions": []})).ok()
    await say(alice, room_id)
    await say(alice, room_id, body="tea")
    assert await unread(bob, room_id) == (2, 2)
    (await bob.put(f"{rules}/override/.m.rule.master/enabled", {"enabled": True})).ok()
    await say(alice, room_id, body="tea")
    assert await unread(bob, room_id) == (2, 2)


async def test_rules_that_look_for_the_display_name(alice: Client, bob: Client, room_id: str) -> None:
    rule = {"conditions": [{"kind": "contains_display_name"}], "actions": ["notify", {"set_tweak": "highlight"}]}
    (await bob.put("/pushrules/global/override/name", rule)).ok()
    (await bob.put(f"/profile/{part(bob.user_id)}/displayname", {"displayname": "Robert"})).ok()
    await say(alice, room_id, body="hello Robert!")
    await say(alice, room_id, body="hello bob")
    assert await unread(bob, room_id) == (2, 1)


async def test_messages_of_ignored_users_are_not_unread(alice: Client, bob: Client, room_id: str) -> None:
    device = Device(bob)
    await device.settle()
    await say(alice, room_id)
    assert counts(await device.joined(room_id)) == (1, 0)
    path = f"/user/{part(bob.user_id)}/account_data/m.ignored_user_list"
    (await bob.put(path, {"ignored_users": {alice.user_id: {}}})).ok()
    await say(alice, room_id)
    assert await unread(bob, room_id) == (0, 0)


async def test_two_devices_count_the_same(alice: Client, bob: Client, room_id: str) -> None:
    one, other = Device(bob), Device(bob)
    await one.settle()
    await other.settle()
    tasks = [await one.waiting(), await other.waiting()]
    event_id = await say(alice, room_id)
    assert [counts((await task)["rooms"]["join"][room_id]) for task in tasks] == [(1, 0), (1, 0)]
    await read(bob, room_id, event_id)
    assert [counts(await device.joined(room_id)) for device in (one, other)] == [(0, 0), (0, 0)]


async def test_counts_outlive_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "restart.db")}}
    async with running(database) as homeserver:
        alice, bob, room_id = await people(homeserver)
        events = [await say(alice, room_id) for _ in range(150)]
        await say(alice, room_id, events[0])
        assert await unread(bob, room_id) == (151, 0)
    async with running(database) as homeserver:
        alice, bob = alice.at(homeserver.app), bob.at(homeserver.app)
        await say(alice, room_id, **mention(bob))
        assert await by_thread(bob, room_id) == {"main": 151, events[0]: 1}
        await read(bob, room_id, events[140])
    async with running(database) as homeserver:
        assert await by_thread(bob.at(homeserver.app), room_id) == {"main": 10, events[0]: 1}


async def people(homeserver: Homeserver) -> tuple[Client, Client, str]:
    alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return alice, bob, room_id
