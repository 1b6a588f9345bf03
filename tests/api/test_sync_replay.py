"""Whoever follows a room by /sync arrives at the room's state, whatever happens in it and however they follow it."""

import json
import random
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver

NAMES = ("alice", "bob", "carol", "dave")
STEPS = 120

State = dict[tuple[str, str], str]
"""Event ids by what they set."""


class Follower:
    """Keeps a room's state as a client does, from the answers to /sync alone."""

    def __init__(self, client: Client, *, limit: int, state_after: bool) -> None:
        self.client = client
        self.state_after = state_after
        self.since: str | None = None
        self.rooms: dict[str, State] = {}
        self.seen: dict[str, list[str]] = {}
        self.query = {"filter": json.dumps({"room": {"timeline": {"limit": limit}}})}
        if state_after:
            self.query["use_state_after"] = "true"

    async def sync(self) -> None:
        since = {} if self.since is None else {"since": self.since}
        answer = (await self.client.get("/sync", **self.query, **since)).ok()
        self.since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for room_id, section in rooms.get("join", {}).items():
            self.apply(room_id, section)
        for room_id in rooms.get("leave", {}):
            self.rooms.pop(room_id, None)

    def apply(self, room_id: str, section: Any) -> None:
        state = self.rooms.setdefault(room_id, {})
        timeline = section["timeline"]["events"]
        key = "state_after" if self.state_after else "state"
        for event in section[key]["events"] + ([] if self.state_after else timeline):
            if "state_key" in event:
                state[event["type"], event["state_key"]] = event["event_id"]
        if section["timeline"]["limited"]:
            self.seen[room_id] = []
        seen = self.seen.setdefault(room_id, [])
        for event in timeline:
            assert event["event_id"] not in seen, "an event was shown twice"
            seen.append(event["event_id"])


class Play:
    """Random acts of some people in some rooms."""

    def __init__(self, people: list[Client], rooms: list[str], seed: int) -> None:
        self.random = random.Random(seed)
        self.people = people
        self.rooms = rooms
        self.said = 0

    async def step(self) -> None:
        who, room_id = self.random.choice(self.people), self.random.choice(self.rooms)
        target = self.random.choice(self.people).user_id
        self.said += 1
        match self.random.randrange(12):
            case 0 | 1 | 2 | 3:
                await who.send(room_id, "m.room.message", {"msgtype": "m.text", "body": str(self.said)})
            case 4:
                await who.set_state(room_id, "m.room.topic", {"topic": str(self.said)})
            case 5:
                await who.set_state(room_id, "org.example.counter", {"n": self.said}, str(self.said % 3))
            case 6 | 7:
                await who.act(room_id, "join")
            case 8:
                await who.act(room_id, "leave")
            case 9:
                await who.act(room_id, self.random.choice(["kick", "ban", "unban"]), user_id=target)
            case 10:
                await who.act(room_id, "invite", user_id=target)
            case 11:
                visibility = self.random.choice(["shared", "joined", "invited", "world_readable"])
                await who.set_state(room_id, "m.room.history_visibility", {"history_visibility": visibility})


@pytest.mark.parametrize("seed", range(6))
async def test_followers_arrive_at_the_state_of_the_room(homeserver_on_each: Homeserver, seed: int) -> None:
    people = [await homeserver_on_each.register(name) for name in NAMES]
    rooms = [
        await people[0].create_room(
            preset="public_chat", power_level_content_override={"state_default": 0, "kick": 0, "ban": 0, "invite": 0}
        )
        for _ in range(2)
    ]
    play = Play(people, rooms, seed)
    followers = [
        Follower(client, limit=play.random.choice([1, 2, 5, 20]), state_after=play.random.random() < 0.5)
        for client in people
    ]
    for _ in range(STEPS):
        await play.step()
        for follower in followers:
            if play.random.random() < 0.25:
                await follower.sync()
    for follower in followers:
        await follower.sync()
        joined = (await follower.client.get("/joined_rooms")).ok()["joined_rooms"]
        assert set(joined) == set(follower.rooms)
        for room_id in joined:
            events = (await follower.client.get(f"/rooms/{room_id}/state")).ok()
            current = {(event["type"], event["state_key"]): event["event_id"] for event in events}
            assert follower.rooms[room_id] == current
