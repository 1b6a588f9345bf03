"""Device lists through random plays: whatever people do, each sync tells exactly who is to be looked at again."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.homeserver import running
from tests.e2ee.person import Person, register

PEOPLE, ROOMS, STEPS = 4, 3, 120


@dataclass
class Seen:
    """What was true when a person last synced."""

    shared: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    """Who has joined or left a room since."""


class World:
    """Who is in which room, and how often each has changed keys."""

    def __init__(self, people: list[Person], rooms: list[str]) -> None:
        self.people = people
        self.members: dict[str, set[str]] = {room_id: set() for room_id in rooms}
        self.versions = {person.user_id: 0 for person in people}
        self.seen = {person.user_id: Seen() for person in people}

    def shared(self, user_id: str) -> set[str]:
        return {other for room in self.members.values() if user_id in room for other in room} - {user_id}

    async def move(self, person: Person, room_id: str) -> None:
        members = self.members[room_id]
        if person.user_id in members:
            await person.leave(room_id)
            members.remove(person.user_id)
        else:
            await person.join(room_id)
            members.add(person.user_id)
        for seen in self.seen.values():
            seen.moved.add(person.user_id)

    async def change(self, person: Person) -> None:
        version = self.versions[person.user_id] = self.versions[person.user_id] + 1
        (await person.upload(device_keys={**person.device_keys, "version": version})).ok()

    async def sync(self, person: Person) -> None:
        me, seen, shared = person.user_id, self.seen[person.user_id], self.shared(person.user_id)
        changed, left = (set(users) for users in await person.device_lists())
        assert left == seen.shared - shared
        newer = {other for other in {*shared, me} if self.versions[other] > seen.versions.get(other, 0)}
        must = newer | (shared - seen.shared)
        may = must | (shared if me in seen.moved else shared & seen.moved)
        assert must <= changed <= may
        self.seen[me] = Seen(shared, dict(self.versions))

    def at(self, people: list[Person]) -> None:
        """The same people at another process."""
        self.people = people


@pytest.mark.parametrize("number", range(3))
async def test_a_play(db_config: Mapping[str, Any], number: int) -> None:
    chance = random.Random(number)
    async with running(db_config) as server:
        owner = await register(server, "owner")
        people = [await register(server, f"person{n}") for n in range(PEOPLE)]
        rooms = [await owner.client.create_room(preset="public_chat") for _ in range(ROOMS)]
        world = World(people, rooms)
        for room_id in rooms:
            world.members[room_id].add(owner.user_id)
        world.versions[owner.user_id] = 0
        for person in people:
            await person.sync()
        await _play(world, chance)
    async with running(db_config) as server:
        world.at([person.at(server) for person in world.people])
        await _play(world, chance)


async def _play(world: World, chance: random.Random) -> None:
    for _ in range(STEPS):
        person = chance.choice(world.people)
        act = chance.random()
        if act < 0.45:
            await world.move(person, chance.choice(sorted(world.members)))
        elif act < 0.6:
            await world.change(person)
        else:
            await world.sync(person)
