"""Random stories of rooms that are joined partially; each is told again exactly by its seed.

While the states are held back people come and go, speak, are banned, and say things that they may not any more; what they
say comes late, or has to be asked for; servers are away, and ours crashes. In the end the room is what it really is, and
nothing is lost of what our users were told to have been sent.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.store.events import ACCEPTED
from tests.api.asgi import Client
from tests.faster_joins.room import MEMBER, ScriptedRoom, State
from tests.faster_joins.stage import CHARLIE, OURS, RESIDENT, Stage, staged

STORIES: Final = int(os.environ.get("RANVIER_PLAYS", "1000")) // 10
AT_ONCE: Final = 10
STEPS: Final = 25
SERVERS: Final = ("a.test", "b.test", "c.test", RESIDENT)


class Story:
    """One of them."""

    def __init__(self, s: Stage, random: Random, clients: list[Client]) -> None:
        self.s = s
        self.random = random
        self.clients = [client.user_id for client in clients]
        people = [f"@user{number}:{random.choice(SERVERS)}" for number in range(8)]
        self.moderators = random.sample(people, 2)
        self.room: ScriptedRoom = s.room(
            random.choice(("6", "10", "11", "12")),
            members=people,
            levels=dict.fromkeys(self.moderators, 50),
            name=random.choice(("Square", None)),
        )
        for name in SERVERS:
            s.server(name)
        self.people = people
        self.sent: list[str] = []
        """Events of ours that were acknowledged."""
        self.down: set[str] = set()
        self.past: State = dict(self.room.state)
        """From when everybody was there."""
        for person in random.sample(people, 3):
            membership, by = random.choice((("ban", CHARLIE), ("leave", CHARLIE), ("leave", person)))
            self.room.member(person, membership, by=by)

    @property
    def present(self) -> list[str]:
        """Who is in the room, other than us."""
        state = self.room.state
        return [one for one in (CHARLIE, *self.people) if state[MEMBER, one].membership == "join"]

    async def tell(self, event: Event) -> None:
        """Perhaps the event comes; if not, a later one that cites it does."""
        server = domain_of(event.sender)
        if server not in self.down and self.random.random() < 0.8:
            await self.s.server(server).send(event)
        await self.s.pause(self.random.choice((0.2, 1, 5)))

    async def speak(self) -> None:
        await self.tell(self.room.say("hello", sender=self.random.choice(self.present)))

    async def topic(self) -> None:
        await self.tell(self.room.tell("m.room.topic", {"topic": str(self.random.random())}, state_key=""))

    async def come(self) -> None:
        absent = [one for one in self.people if one not in self.present]
        state = self.room.state
        welcome = [one for one in absent if state[MEMBER, one].membership != "ban"]
        if welcome:
            await self.tell(self.room.member(self.random.choice(welcome), "join"))

    async def go(self) -> None:
        leaving = [one for one in self.present if one != CHARLIE]
        if leaving:
            await self.tell(self.room.member(self.random.choice(leaving), "leave"))

    async def remove(self) -> None:
        target = self.random.choice(self.people)
        await self.tell(self.room.member(target, self.random.choice(("leave", "ban")), by=CHARLIE))

    async def forge(self) -> None:
        """Who is not in the room any more speaks as if they were."""
        absent = [one for one in self.people if one not in self.present]
        if absent:
            sender = self.random.choice(absent)
            wrong = self.room.forge("m.room.message", {"body": "boo"}, sender=sender, state=self.past)
            await self.tell(wrong)

    async def forge_state(self) -> None:
        """Who is not in the room any more changes it, or comes back although they are banned."""
        state = self.room.state
        absent = [one for one in self.people if one not in self.present]
        banned = [one for one in absent if state[MEMBER, one].membership == "ban"]
        moderators = [one for one in absent if one in self.moderators]
        if banned and self.random.random() < 0.5:
            one = self.random.choice(banned)
            content = {"membership": "join", "displayname": "back"}
            await self.tell(self.room.forge(MEMBER, content, sender=one, state_key=one, state=self.past))
        elif moderators:
            one = self.random.choice(moderators)
            await self.tell(
                self.room.forge("m.room.topic", {"topic": "wrong"}, sender=one, state_key="", state=self.past)
            )

    async def say(self) -> None:
        client = self.s.world.clients[self.random.choice(self.clients)]
        answer = await client.send(self.room.room_id, "m.room.message", {"body": "ours"})
        if answer.status == 200:
            self.sent.append(answer.json["event_id"])
        await self.s.pause(self.random.choice((0.2, 1, 5)))

    async def join(self) -> None:
        await self.s.try_join(self.room, self.s.world.clients[self.clients[1]], RESIDENT, "a.test")
        await self.s.pause(1)

    async def leave(self) -> None:
        await self.s.world.clients[self.clients[1]].act(self.room.room_id, "leave")
        await self.s.pause(1)

    async def crash(self) -> None:
        await self.s.restart()

    async def away(self) -> None:
        """A server goes away, or comes back."""
        name = self.random.choice(SERVERS)
        if name in self.down:
            self.down.discard(name)
            self.s.world.network.apps[name] = self.s.server(name)
        else:
            self.down.add(name)
            del self.s.world.network.apps[name]

    async def hold(self) -> None:
        """One server tells states, or ceases to."""
        server = self.s.server(self.random.choice(SERVERS))
        self.random.choice((server.hold, server.release))()

    async def run(self) -> None:
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.speak), (4, self.topic), (4, self.come), (3, self.go), (3, self.remove), (3, self.forge), (3, self.forge_state), (6, self.say),
            (2, self.join), (2, self.leave), (1, self.crash), (2, self.away), (1, self.hold),
        ]  # fmt: skip
        for name in SERVERS:
            await self.s.server(name).send()  # Its keys are known: the members of a server that is away are as good.
        await self.s.join_partially(self.room)
        for _ in range(STEPS):
            (act,) = self.random.choices([act for _, act in acts], [weight for weight, _ in acts])
            await act()
        await self.end()

    async def end(self) -> None:
        """Everybody is back, and speaks once more, so that what was lost is asked for."""
        s, room = self.s, self.room
        for name in SERVERS:
            s.world.network.apps[name] = s.server(name)
        s.release()
        await s.pause(120)
        for _ in range(3):
            await s.tell(room.say("the end"))
            await s.pause(60)
        await s.until_full(room, at_most_s=3 * 24 * 3600)
        await s.pause(120)
        assert await s.partial(room) is None
        assert await s.rows("events") == []
        expected = {key: event.event_id for key, event in room.state.items()}
        assert await s.state_ids(room) == expected
        await s.world.check_agreement(room.room_id, [OURS])
        found = await s.ours.rooms.cache.by_id(self.sent)
        assert [found[event_id].status for event_id in self.sent] == [ACCEPTED] * len(self.sent)
        assert set(self.sent) <= room.before.keys()


@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_stories(first: int, tmp_path: Path, template: Path) -> None:
    for seed in range(first, min(first + AT_ONCE, STORIES)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        tell(seed, folder, template)


def tell(seed: int, folder: Path, template: Path) -> None:
    """One story."""

    async def act(s: Stage) -> None:
        ben = await s.user("ben")
        await Story(s, Random(seed), [s.alice, ben]).run()

    try:
        staged(faster_joins={"give_up_after": "30d"})(act)(folder, template)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
