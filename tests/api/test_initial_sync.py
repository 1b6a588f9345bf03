"""Starting and following, the way from before `/sync`; looking into rooms without joining them."""

import asyncio
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver

OPEN = [{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}]


def bodies(chunk: Any) -> list[str]:
    return [event["content"]["body"] for event in chunk if event["type"] == "m.room.message"]


async def events(client: Client, **query: str) -> Any:
    return (await client.get("/events", **query)).ok()


async def test_a_room_whole(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Den", visibility="public")
    (await bob.act(room_id, "join")).ok()
    for text in ("one", "two", "three"):
        await alice.say(room_id, text)
    tag: dict[str, Any] = {"tags": {"work": {}}}
    (await bob.put(f"/user/{part(bob.user_id)}/rooms/{part(room_id)}/account_data/m.tag", tag)).ok()
    found = (await bob.get(f"{in_room(room_id)}/initialSync", limit="2")).ok()
    assert (found["room_id"], found["membership"], found["visibility"]) == (room_id, "join", "public")
    assert bodies(found["messages"]["chunk"]) == ["two", "three"]
    assert {"m.room.create", "m.room.name", "m.room.member"} <= {event["type"] for event in found["state"]}
    assert found["account_data"] == [{"type": "m.tag", "content": tag}]
    earlier = await bob.get(f"{in_room(room_id)}/messages", dir="b", limit="1", **{"from": found["messages"]["start"]})
    assert bodies(earlier.ok()["chunk"]) == ["one"]
    await alice.say(room_id, "four")
    later = await bob.get(f"{in_room(room_id)}/messages", dir="f", **{"from": found["messages"]["end"]})
    assert bodies(later.ok()["chunk"]) == ["four"]


async def test_former_members_and_strangers(alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await carol.get(f"{in_room(room_id)}/initialSync")).refused(403, "M_FORBIDDEN")
    (await bob.act(room_id, "join")).ok()
    await alice.say(room_id, "one")
    (await bob.act(room_id, "leave")).ok()
    await alice.say(room_id, "two")
    found = (await bob.get(f"{in_room(room_id)}/initialSync")).ok()
    assert (found["membership"], bodies(found["messages"]["chunk"])) == ("leave", ["one"])


async def test_an_open_room_can_be_looked_into(alice: Client, bob: Client, guest: Client) -> None:
    room_id = await alice.create_room(initial_state=OPEN)
    await alice.say(room_id, "one")
    found: dict[str, Any] = {}
    for client in (bob, guest):
        found = (await client.get(f"{in_room(room_id)}/initialSync")).ok()
        assert "membership" not in found
        assert bodies(found["messages"]["chunk"]) == ["one"]
    waiting = asyncio.create_task(events(guest, room_id=room_id, timeout="10000", **{"from": found["messages"]["end"]}))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await alice.say(room_id, "two")
    page = await waiting
    assert bodies(page["chunk"]) == ["two"]
    assert page["start"] == found["messages"]["end"]
    assert (await events(guest, room_id=room_id, **{"from": page["end"]}))["chunk"] == []


async def test_a_closed_room_cannot(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    (await bob.get("/events", room_id=room_id)).refused(403, "M_FORBIDDEN")
    (await bob.get("/events", room_id="!no:where")).refused(403, "M_FORBIDDEN")
    (await bob.get("/events", **{"from": "nonsense"})).refused(400, "M_INVALID_PARAM")


async def test_everything_at_once(alice: Client, bob: Client, carol: Client) -> None:
    joined = await alice.create_room(invite=[bob.user_id])
    (await bob.act(joined, "join")).ok()
    invited = await alice.create_room(invite=[bob.user_id])
    left = await alice.create_room(preset="public_chat")
    refused = await alice.create_room(invite=[bob.user_id])
    for act in ("join", "leave"):
        (await bob.act(left, act)).ok()
    (await bob.act(refused, "leave")).ok()
    (await bob.put(f"/user/{part(bob.user_id)}/account_data/x", {"y": 1})).ok()
    found = (await bob.get("/initialSync", limit="1")).ok()
    assert {room["room_id"]: room["membership"] for room in found["rooms"]} == {joined: "join", invited: "invite"}
    assert found["account_data"] == [{"type": "x", "content": {"y": 1}}]
    assert found["presence"] == []
    invitation = next(room["invite"] for room in found["rooms"] if room["room_id"] == invited)
    assert (invitation["sender"], invitation["content"]["membership"]) == (alice.user_id, "invite")
    archived = (await bob.get("/initialSync", archived="true")).ok()["rooms"]
    assert {room["room_id"]: room["membership"] for room in archived} == {
        joined: "join",
        invited: "invite",
        left: "leave",
    }
    await alice.say(joined, "hello")
    page = await events(bob, **{"from": found["end"]})
    assert bodies(page["chunk"]) == ["hello"]


async def test_all_rooms_in_one_stream(alice: Client, bob: Client) -> None:
    rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
    (await bob.act(rooms[0], "join")).ok()
    start = (await events(bob))["end"]
    assert (await events(bob, timeout="20", **{"from": start}))["chunk"] == []
    waiting = asyncio.create_task(events(bob, timeout="10000", **{"from": start}))
    await asyncio.sleep(0.05)
    await alice.say(rooms[1], "unheard")
    (await bob.act(rooms[1], "join")).ok()
    page = await waiting
    assert page["chunk"][-1]["state_key"] == bob.user_id
    for number in range(150):
        await alice.say(rooms[number % 2], str(number))
    heard: list[str] = []
    while chunk := (page := await events(bob, **{"from": page["end"]}))["chunk"]:
        heard += bodies(chunk)
    assert heard == [str(number) for number in range(150)]


async def test_one_event(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    event_id = await alice.say(room_id, "one")
    assert (await alice.get(f"/events/{part(event_id)}")).ok()["content"]["body"] == "one"
    (await bob.get(f"/events/{part(event_id)}")).refused(404, "M_NOT_FOUND")
    (await alice.get("/events/$nothing")).refused(404, "M_NOT_FOUND")


@pytest.mark.parametrize("path", ["/initialSync?limit=-1", "/initialSync?archived=x", "/events?timeout=x"])
async def test_odd_questions(alice: Client, path: str) -> None:
    (await alice.request("GET", "/_matrix/client/v3" + path)).refused(400, "M_INVALID_PARAM")


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    room_id = await alice.create_room()
    found = (await alice.get("/initialSync")).ok()
    await alice.say(room_id, "one")
    assert bodies((await events(alice, **{"from": found["end"]}))["chunk"]) == ["one"]
