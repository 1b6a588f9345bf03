"""Random plays in one room: `/members` says what `/state` does, whatever has happened since it was asked last."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver

FILTERS: list[Mapping[str, str]] = [{}, {"membership": "join"}, {"not_membership": "leave"}, {"membership": "ban"}]


def members(events: list[Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """What `/members` should say."""
    found = {}
    for event in events:
        membership = event["content"].get("membership")
        is_asked = membership == asked.get("membership", membership) and membership != asked.get("not_membership")
        if event["type"] == "m.room.member" and is_asked:
            found[event["state_key"]] = {name: value for name, value in event.items() if name != "unsigned"}
    return found


async def step(chance: random.Random, alice: Client, others: list[Client], room_id: str) -> None:
    other = chance.choice(others)
    room = in_room(room_id)
    act = chance.choice(["join", "leave", "kick", "ban", "unban", "invite", "name", "redact", "say"])
    if act in ("kick", "ban", "unban", "invite"):
        await alice.post(f"{room}/{act}", {"user_id": other.user_id})
    elif act in ("join", "leave"):
        await other.post(f"{room}/{act}")
    elif act == "name":
        name = chance.choice(["x", "ä", "\u0001", '"'])
        (await other.put(f"/profile/{part(other.user_id)}/displayname", {"displayname": name})).ok()
    elif act == "say":
        await alice.say(room_id, "hello")
    elif chance.random() < 0.3:
        state = (await alice.get(f"{room}/state")).ok()
        target = next((event for event in state if event.get("state_key") == other.user_id), None)
        if target is not None:
            (await alice.redact(room_id, target["event_id"])).ok()


@pytest.mark.parametrize("seed", range(6))
async def test_members_are_the_state(homeserver: Homeserver, seed: int) -> None:
    chance = random.Random(seed)
    alice, *others = [await homeserver.register(name) for name in ("alice", "bob", "carol", "dan", "eve")]
    room_id = await alice.create_room(preset="public_chat")
    told = 0
    for _ in range(80):
        await step(chance, alice, others, room_id)
        if chance.random() < 0.5:
            asked = chance.choice(FILTERS)
            found = (await alice.get(f"{in_room(room_id)}/members", **asked)).ok()["chunk"]
            shown = {event["state_key"]: {k: v for k, v in event.items() if k != "unsigned"} for event in found}
            assert shown == members((await alice.get(f"{in_room(room_id)}/state")).ok(), asked)
            told += len(shown)
    assert told > 20
