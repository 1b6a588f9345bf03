"""Scenarios around messages: sending, and everybody getting them; history and members of a room."""

import asyncio

from bench.measure import Operation, Scenario
from bench.target import Person, Target

HISTORY = 200
FOLLOWERS = 50


async def room_of(target: Target, members: int) -> tuple[str, list[Person]]:
    """A room with so many people."""
    people = [await target.person() for _ in range(members)]
    room_id = await people[0].create_room()
    for person in people[1:]:
        await person.join(room_id)
    return room_id, people


async def _send(target: Target) -> Operation:
    room_id, people = await room_of(target, 2)
    return lambda _: people[0].say(room_id)


async def _send_many(target: Target) -> Operation:
    room_id, people = await room_of(target, 20)
    return lambda number: people[number % len(people)].say(room_id)


async def _fan_out(target: Target) -> Operation:
    room_id, people = await room_of(target, FOLLOWERS + 1)
    sender, *followers = people
    for person in followers:
        await person.sync()

    async def send_and_wait(_: int) -> None:
        polls = [asyncio.create_task(person.sync(timeout_ms=30_000)) for person in followers]
        await asyncio.sleep(0)
        await sender.say(room_id)
        for person, answer in zip(followers, await asyncio.gather(*polls), strict=True):
            # A poll that came after the message, or was answered for another reason, asks again.
            while room_id not in answer.get("rooms", {}).get("join", {}):
                answer = await person.sync(timeout_ms=30_000)  # noqa: PLW2901

    return send_and_wait


async def _messages(target: Target) -> Operation:
    room_id, people = await room_of(target, 2)
    for _ in range(HISTORY):
        await people[0].say(room_id)
    return lambda _: people[1].ask("GET", f"/rooms/{room_id}/messages?dir=b&limit=100")


async def _members(target: Target) -> Operation:
    room_id, people = await room_of(target, 50)
    return lambda _: people[1].ask("GET", f"/rooms/{room_id}/members")


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        Scenario("send, room of 2", _send, 50),
        Scenario("send, 20 senders at once, 1 room", _send_many, 100, at_once=20),
        Scenario(f"send until {FOLLOWERS} long polls have it", _fan_out, 4),
        Scenario("messages, 100 events", _messages, 20),
        Scenario("members, 50", _members, 20),
    ]
