"""Random rooms: what is told without members is what is told in full, less what may be left out."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from ranvier.proto.ids import domain_of
from tests.api.asgi import Client
from tests.federation.test_join_omitting import ONE, THREE, TWO, Answer, check_whole, events, hand_in, join
from tests.federation.town import Town, town

STEPS = 25
NAMES = ("bob", "ben", "bill")


def named(answer: Answer) -> bool:
    """Whether the room has a name or an alias."""
    state = {event["type"]: event["content"] for event in answer["state"]}
    return bool(state.get("m.room.name", {}).get("name") or state.get("m.room.canonical_alias", {}).get("alias"))


def check_alike(lean: Answer, full: Answer, joining: str) -> None:
    """Both answer the same join."""
    told = {event.event_id: event for event in events(full, "state")}
    lean_state = {event.event_id: event for event in events(lean, "state")}
    assert lean_state.keys() <= told.keys()
    left_out = [told[key] for key in told.keys() - lean_state.keys()]
    assert all(event.type == "m.room.member" for event in left_out)
    heroes = [event for event in lean_state.values() if event.type == "m.room.member"]
    there = [
        event
        for event in told.values()
        if event.type == "m.room.member" and event.membership in ("join", "invite") and event.state_key != joining
    ]
    assert len(heroes) == (0 if named(full) else min(5, len(there)))
    assert all(hero.event_id in {event.event_id for event in there} for hero in heroes)
    assert lean["members_omitted"] is bool(left_out)
    servers = {domain_of(event.state_key or "") for event in told.values() if event.membership == "join"}
    assert lean.get("servers_in_room", sorted(servers)) == sorted(servers)
    assert {event.event_id for event in events(lean, "auth_chain")} <= {
        event.event_id for section in ("state", "auth_chain") for event in events(full, section)
    }
    by_id = {event["hashes"]["sha256"]: event for section in ("state", "auth_chain") for event in full[section]}
    assert all(by_id[event["hashes"]["sha256"]] == event for event in (*lean["state"], *lean["auth_chain"]))


class Story:
    """What happens to a room of alice's."""

    def __init__(self, place: Town, random: Random, alice: Client, friends: list[Client], room_id: str) -> None:
        self.place = place
        self.random = random
        self.alice = alice
        self.friends = friends
        self.room_id = room_id
        self.acts: list[Callable[[], Awaitable[Any]]] = [
            self.name, self.alias, self.topic, self.come, self.go, self.invite, self.redact, self.remove, self.join,
            self.join, self.join,
        ]  # fmt: skip

    async def name(self) -> None:
        name = self.random.choice(("Square", "", None))
        await self.alice.set_state(self.room_id, "m.room.name", {} if name is None else {"name": name})

    async def alias(self) -> None:
        await self.alice.set_state(self.room_id, "m.room.canonical_alias", {})

    async def topic(self) -> None:
        await self.alice.set_state(self.room_id, "m.room.topic", {"topic": str(self.random.random())})

    async def come(self) -> None:
        await self.random.choice(self.friends).act(self.room_id, "join")

    async def go(self) -> None:
        await self.random.choice(self.friends).act(self.room_id, "leave")

    async def invite(self) -> None:
        await self.alice.act(self.room_id, "invite", user_id=self.random.choice(self.friends).user_id)

    async def redact(self) -> None:
        state = (await self.alice.get(f"/rooms/{self.room_id}/state")).ok()
        target = self.random.choice([event for event in state if event["type"] != "m.room.create"])
        await self.alice.redact(self.room_id, target["event_id"])

    async def remove(self) -> None:
        server = self.random.choice((TWO, THREE))
        user_id = f"@{self.random.choice(NAMES)}:{server}"
        await self.alice.act(self.room_id, "kick", user_id=user_id)

    async def join(self) -> None:
        name, server = self.random.choice(NAMES), self.random.choice((TWO, THREE))
        sent, lean = await join(self.place, name, self.room_id, server=server)
        check_whole(lean, sent)
        full = await hand_in(self.place, sent, server=server, omit=False)
        check_alike(lean, full, sent.state_key or "")


@pytest.mark.parametrize("seed", range(8))
async def test_random_rooms(seed: int) -> None:
    random = Random(seed)
    async with town(ONE, TWO, THREE) as place:
        alice = (await place.servers[ONE].register("alice")).client
        friends = [(await place.servers[ONE].register(f"friend{number}")).client for number in range(6)]
        story = Story(place, random, alice, friends, await alice.create_room(preset="public_chat", room_version="11"))
        for _ in range(STEPS):
            await random.choice(story.acts)()
