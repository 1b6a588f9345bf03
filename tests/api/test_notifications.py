"""The list of notifications. Spec: client-server API, "Listing Notifications"."""

from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part


async def notified(client: Client, **query: str) -> Any:
    return (await client.get("/notifications", **query)).ok()


def bodies(page: Any) -> list[str]:
    return [entry["event"]["content"]["body"] for entry in page["notifications"]]


async def mention(client: Client, room_id: str, other: Client, body: str) -> None:
    content = {"msgtype": "m.text", "body": body, "m.mentions": {"user_ids": [other.user_id]}}
    (await client.send(room_id, "m.room.message", content)).ok()


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    await alice.say(room_id, "before bob")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def test_what_notifies_is_listed_newest_first(alice: Client, bob: Client, room_id: str) -> None:
    first = await alice.say(room_id, "1")
    await bob.say(room_id, "own")
    await mention(alice, room_id, bob, "2")
    (await alice.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    page = await notified(bob)
    assert bodies(page) == ["2", "1"]
    assert "next_token" not in page
    newest, oldest = page["notifications"]
    assert oldest["event"]["event_id"] == first and "room_id" not in oldest["event"]
    assert oldest["room_id"] == room_id and oldest["ts"] == oldest["event"]["origin_server_ts"]
    assert newest["actions"] == [
        "notify",
        {"set_tweak": "sound", "value": "default"},
        {"set_tweak": "highlight", "value": True},
    ]
    assert (oldest["read"], newest["read"]) == (True, False), "who answers has read"


async def test_receipts_make_them_read(alice: Client, bob: Client, room_id: str) -> None:
    first = await alice.say(room_id, "1")
    await alice.say(room_id, "2")
    await bob.post(f"{in_room(room_id)}/receipt/m.read/{part(first)}")
    assert [entry["read"] for entry in (await notified(bob))["notifications"]] == [False, True]


async def test_only_highlights(alice: Client, bob: Client, room_id: str) -> None:
    await alice.say(room_id, "1")
    await mention(alice, room_id, bob, "2")
    assert bodies(await notified(bob, only="highlight")) == ["2"]


async def test_pages(alice: Client, bob: Client, room_id: str) -> None:
    other = await alice.create_room(preset="public_chat")
    (await bob.act(other, "join")).ok()
    for n in range(7):
        await alice.say(room_id if n % 2 else other, str(n))
    found, query = [], {"limit": "3"}
    for _ in range(10):
        page = await notified(bob, **query)
        found += bodies(page)
        if "next_token" not in page:
            break
        query["from"] = page["next_token"]
    assert found == ["6", "5", "4", "3", "2", "1", "0"]


async def test_nothing_from_rooms_one_has_left(alice: Client, bob: Client, room_id: str) -> None:
    await alice.say(room_id, "1")
    (await bob.act(room_id, "leave")).ok()
    assert await notified(bob) == {"notifications": []}
    (await bob.act(room_id, "join")).ok()
    assert bodies(await notified(bob)) == []


async def test_strange_tokens_are_refused(alice: Client) -> None:
    for token in ("x", "-1", "9" * 19, ""):
        (await alice.get("/notifications", **{"from": token})).refused(400, "M_INVALID_PARAM")
    (await alice.get("/notifications", limit="-1")).refused(400, "M_INVALID_PARAM")


async def test_the_list_does_not_stop_the_counts(alice: Client, bob: Client) -> None:
    room_id = await bob.create_room(preset="public_chat")
    (await alice.act(room_id, "join")).ok()
    await bob.say(room_id, "one")
    assert len((await alice.get("/notifications")).ok()["notifications"]) == 1
    await bob.say(room_id, "two")
    room = (await alice.get("/sync")).ok()["rooms"]["join"][room_id]
    assert room["unread_notifications"]["notification_count"] == 2
    assert [entry["read"] for entry in (await alice.get("/notifications")).ok()["notifications"]] == [False, False]
