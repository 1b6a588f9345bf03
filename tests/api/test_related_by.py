"""Filters that ask what relates to an event: `related_by_rel_types` and `related_by_senders`."""

import json
from typing import Any

import pytest

from tests.api.asgi import Client, in_room
from tests.api.device import Device, filtered


async def relate(client: Client, room_id: str, target: str, rel_type: str) -> None:
    relation = {"rel_type": rel_type, "event_id": target}
    content = {"msgtype": "m.text", "body": rel_type, "m.relates_to": relation}
    (await client.send(room_id, "m.room.message", content)).ok()


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    """Three messages: one with a thread by bob, one that alice refers to, one with nothing."""
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    threaded, referred, _ = [await alice.say(room_id, text) for text in ("threaded", "referred", "alone")]
    await relate(bob, room_id, threaded, "m.thread")
    await relate(alice, room_id, referred, "m.reference")
    return room_id


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"related_by_rel_types": ["m.thread"]}, ["threaded"]),
    ({"related_by_rel_types": ["m.thread", "m.reference"]}, ["threaded", "referred"]),
    ({"related_by_senders": ["@alice:ranvier.test"]}, ["referred"]),
    ({"related_by_rel_types": ["m.thread"], "related_by_senders": ["@alice:ranvier.test"]}, []),
    ({"related_by_rel_types": ["m.thread"], "related_by_senders": ["@bob:ranvier.test"]}, ["threaded"]),
    ({"related_by_rel_types": []}, []),
    ({"related_by_rel_types": ["m.thread"], "not_senders": ["@alice:ranvier.test"]}, []),
]


@pytest.mark.parametrize(("choice", "expected"), CASES)
async def test_a_page_of_messages(alice: Client, room_id: str, choice: dict[str, Any], expected: list[str]) -> None:
    for limit in ("1", "50"):
        found: list[str] = []
        token: str | None = None
        while True:
            query = {"dir": "f", "filter": json.dumps(choice), "limit": limit, **({"from": token} if token else {})}
            page = (await alice.get(f"{in_room(room_id)}/messages", **query)).ok()
            found += [event["content"]["body"] for event in page["chunk"]]
            token = page.get("end")
            if token is None:
                break
        assert found == expected


@pytest.mark.parametrize(("choice", "expected"), CASES)
async def test_sync(alice: Client, bob: Client, room_id: str, choice: dict[str, Any], expected: list[str]) -> None:
    for client in (alice, bob):
        rooms = (await Device(client, **filtered(room={"timeline": choice})).sync()).get("rooms", {}).get("join", {})
        events = rooms[room_id]["timeline"]["events"]
        assert [event["content"]["body"] for event in events] == expected


async def test_what_is_new_has_seldom_been_related_to(alice: Client, bob: Client, room_id: str) -> None:
    device = Device(alice, **filtered(room={"timeline": {"related_by_rel_types": ["m.reference"]}}))
    await device.settle()
    said = await bob.say(room_id, "listen")
    await relate(alice, room_id, said, "m.reference")
    timeline = (await device.joined(room_id))["timeline"]["events"]
    assert [event["content"]["body"] for event in timeline] == ["listen"]
