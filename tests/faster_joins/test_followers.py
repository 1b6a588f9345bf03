"""Whoever follows a partially joined room by /sync arrives at its state, whatever happens in it and however they follow."""

import json
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.api.asgi import Client
from tests.faster_joins.room import MEMBER
from tests.faster_joins.stage import Stage, staged
from tests.faster_joins.story import Story

SEEDS: Final = (*range(10), 31, 50)


class Follower:
    """Keeps a room's state as a client does, from the answers to /sync alone."""

    def __init__(self, user_id: str, room_id: str, *, lazy: bool, state_after: bool, limit: int) -> None:
        self.user_id = user_id
        self.room_id = room_id
        self.lazy = lazy
        self.section = "state_after" if state_after else "state"
        self.since: str | None = None
        self.state: dict[tuple[str, str], str] | None = None
        self.seen: set[str] = set()
        choice = {"state": {"lazy_load_members": lazy}, "timeline": {"limit": limit}}
        self.query = {"filter": json.dumps({"room": choice}), **({"use_state_after": "true"} if state_after else {})}

    async def sync(self, client: Client) -> None:
        since = {} if self.since is None else {"since": self.since}
        answer = (await client.get("/sync", **self.query, **since)).ok()
        self.since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        if self.room_id in rooms.get("leave", {}):
            self.state = None
        part = rooms.get("join", {}).get(self.room_id)
        if part is not None and "timeline" in part:
            self.apply(part)

    def apply(self, part: Any) -> None:
        timeline = part["timeline"]["events"]
        if self.state is None:
            self.state = {}
        if self.state == {} or part["timeline"]["limited"]:
            self.seen.clear()
        for event in part[self.section]["events"] + (timeline if self.section == "state" else []):
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event["event_id"]
        assert self.seen.isdisjoint(event["event_id"] for event in timeline), "an event was shown twice"
        self.seen.update(event["event_id"] for event in timeline)

    def check(self, expected: dict[tuple[str, str], str], name: str) -> None:
        """What a lazy client knows of members may be old; nothing can tell a client that an entry has gone."""
        assert self.state is not None, name
        known = {key: event_id for key, event_id in expected.items() if not self.lazy or key[0] != MEMBER}
        assert {key: self.state.get(key) for key in known} == known, name


class FollowedStory(Story):
    """Others look now and then."""

    def __init__(self, s: Stage, random: Random, clients: list[Client]) -> None:
        super().__init__(s, random, clients)
        self.followers = [
            Follower(user_id, self.room.room_id, lazy=lazy, state_after=state_after, limit=random.choice((1, 3, 20)))
            for user_id in self.clients
            for lazy in (True, False)
            for state_after in (True, False)
        ]

    async def look(self, share: float) -> None:
        for follower in self.followers:
            if self.random.random() < share:
                await follower.sync(self.s.world.clients[follower.user_id])

    async def speak(self) -> None:
        await super().speak()
        await self.look(0.3)

    async def say(self) -> None:
        await super().say()
        await self.look(0.3)

    async def topic(self) -> None:
        await self.look(0.3)
        await super().topic()

    async def end(self) -> None:
        await super().end()
        await self.look(1.0)
        expected = {key: event.event_id for key, event in self.room.state.items()}
        for follower in self.followers:
            member = self.room.state.get((MEMBER, follower.user_id))
            if member is not None and member.membership == "join":
                follower.check(expected, f"{follower.user_id} lazy={follower.lazy} {follower.section}")


@pytest.mark.parametrize("seed", SEEDS)
def test_followers_arrive_at_the_state_of_the_room(seed: int, tmp_path: Path, template: Path) -> None:
    async def act(s: Stage) -> None:
        ben = await s.user("ben")
        await FollowedStory(s, Random(seed), [s.alice, ben]).run()

    staged(faster_joins={"give_up_after": "30d"})(act)(tmp_path, template)
