"""A random story: a few servers, one room, everything that people do in it, and everything that can go wrong."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.api.asgi import Answer, Client, in_room, part
from tests.plays.attacks import Attacks
from tests.plays.byzantine_answers import let_in
from tests.plays.held_states import HeldStates, until_full
from tests.plays.invariants import check_few_ends, check_nothing_waits, check_verdicts
from tests.plays.listening import Heard, listening
from tests.plays.network import Faults
from tests.plays.world import World, world

SERVERS: Final = ("one.test", "two.test", "three.test")
VERSIONS: Final = ("2", "6", "9", "10", "11", "12")
BYZANTINE: Final = 0.15
"""In so many stories there is a server that keeps to no rule."""
GRAIN_S: Final = 10.0
HOLDING: Final = 0.4
"""In so many stories who joins does not learn the rest of the room's state for some time."""
SKEWS_MS: Final = (-600_000, -5_000, 0, 5_000, 600_000)


@dataclass(slots=True)
class Story:
    """One run."""

    world: World
    heard: Heard
    room_id: str = ""
    names: list[str] = field(default_factory=list)
    """Of the people."""
    told: dict[str, str] = field(default_factory=dict)
    """Messages that were acknowledged: event ids by what was said."""
    log: list[str] = field(default_factory=list)
    attacks: Attacks | None = None
    """By a server in the room that keeps to no rule, if there is one."""
    held: HeldStates | None = None
    """Keeps the rest of the room's state from those who have joined with a part of it, until the story ends."""

    @property
    def people(self) -> list[Client]:
        """As they are connected now."""
        return [self.world.clients[name] for name in self.names]

    async def begin(self, byzantine: float) -> None:
        """A room that everybody is in."""
        random = self.world.random
        for name in SERVERS:
            self.names.append((await self.world.user("u1", name)).user_id)
            if random.random() < 0.3:
                self.names.append((await self.world.user("u2", name)).user_id)
        if random.random() < HOLDING:
            self.held = self.world.network.tamper = HeldStates(Random(random.random()), share=0.9)
        creator = self.people[0]
        self.room_id = await creator.create_room(preset="public_chat", room_version=random.choice(VERSIONS))
        for person in self.people[1:]:
            (await person.post(f"/join/{part(self.room_id)}?via={SERVERS[0]}")).ok()
        levels = (await creator.get(f"{in_room(self.room_id)}/state/m.room.power_levels")).ok()
        levels["users"] = {**levels["users"], self.people[1].user_id: 50}
        if random.random() < byzantine:
            evil = await self._let_evil_in()
            levels["users"][evil] = random.choice((0, 50, 100))
        (await creator.put(f"{in_room(self.room_id)}/state/m.room.power_levels", levels)).ok()
        await self.world.settle()

    async def _let_evil_in(self) -> str:
        """A server that keeps to no rule joins as others do; its user."""
        peer = (await let_in(self.world, self.room_id, SERVERS[0])).peer
        self.attacks = Attacks(peer, SERVERS)
        return peer.users[0]

    async def attack(self) -> None:
        """What the others do not expect."""
        if self.attacks is not None:
            self.log.append(f"!! {await self.attacks.act()}")

    async def act(self) -> None:
        """Somebody does something; it may be refused."""
        random = self.world.random
        up = [person for person in self.people if _server(person) in self.world.servers]
        if not up:
            return
        evil = [] if self.attacks is None else self.attacks.peer.users
        who, whom = random.choice(up), random.choice([*self.names, *evil])
        room = in_room(self.room_id)
        act = random.choices(
            ("say", "topic", "name", "kick", "ban", "unban", "leave", "join", "levels", "redact"),
            (12, 2, 1, 1, 1, 1, 1, 3, 1, 1),
        )[0]
        number = len(self.log)
        self.log.append(f"{number} {act} {who.user_id} {whom}")
        if act == "say":
            body = f"{number}"
            answer = await who.send(self.room_id, "m.room.message", {"msgtype": "m.text", "body": body})
            if answer.status == 200:
                self.told[body] = answer.json["event_id"]
        elif act in ("topic", "name"):
            answer = await who.put(f"{room}/state/m.room.{act}", {act: str(number)})
        elif act in ("kick", "ban", "unban"):
            answer = await who.post(f"{room}/{act}", {"user_id": whom})
        elif act == "leave":
            answer = await who.post(f"{room}/leave")
        elif act == "join":
            via = "&".join(f"via={name}" for name in SERVERS)
            answer = await who.post(f"/join/{part(self.room_id)}?{via}")
        elif act == "levels":
            answer = await self._raise(who, whom)
        else:
            answer = await self._redact(who, number)
        assert answer.status < 500 or answer.status == 502, (act, answer.body)
        self.log[-1] += f" {answer.status}"

    async def _raise(self, who: Client, whom: str) -> Answer:
        room = in_room(self.room_id)
        levels = await who.get(f"{room}/state/m.room.power_levels")
        if levels.status != 200:
            return levels
        content = levels.json
        content["users"] = {**content["users"], whom: self.world.random.choice((0, 50, 75))}
        return await who.put(f"{room}/state/m.room.power_levels", content)

    async def _redact(self, who: Client, number: int) -> Answer:
        if not self.told:
            return await who.get("/sync")
        target = self.world.random.choice(sorted(self.told))
        answer = await who.put(f"{in_room(self.room_id)}/redact/{part(self.told[target])}/r{number}", {})
        if answer.status == 200:
            del self.told[target]
        return answer

    async def trouble(self) -> None:
        """Something happens to the servers or between them."""
        random, play = self.world.random, self.world
        kind = random.choice(("part", "heal", "crash", "restart", "faults", "calm", "skew"))
        self.log.append(f"-- {kind}")
        if kind == "part":
            play.network.part(*random.sample([*SERVERS, *play.network.unruly], 2))
        elif kind == "heal":
            play.network.heal()
        elif kind == "crash" and len(play.servers) > 1:
            await play.crash(random.choice(sorted(play.servers)))
        elif kind == "restart":
            await self._restart()
        elif kind == "faults":
            play.network.faults = Faults(delay_s=2.0, lost_request=0.1, lost_answer=0.1, repeated=0.1)
        elif kind == "skew":
            play.skew(random.choice(SERVERS), random.choice(SKEWS_MS))
        else:
            play.network.faults = Faults()

    async def _restart(self) -> None:
        for name in SERVERS:
            if name not in self.world.servers:
                await self.world.start(name)

    async def end(self) -> None:
        """Everything is well again; who is in the room says something; then all must agree."""
        self.world.network.heal()
        self.world.network.faults = Faults()
        if self.attacks is not None:
            self.attacks.peer.is_quiet = self.world.random.random() < 0.5
        if self.held is not None:
            self.held.share = 0.0
        await self._restart()
        await self.world.settle()
        await until_full(self.world)
        for _ in range(2):
            for person in self.people:
                await person.send(self.room_id, "m.room.message", {"msgtype": "m.text", "body": "at the end"})
            await self.world.settle()
        await until_full(self.world)

    async def check(self) -> None:
        """What must hold after every story."""
        hosts = {name: await self._hosts(name) for name in SERVERS}
        # Who was shut out while it could not be reached is not told any more why: nobody answers it.
        present = [name for name in SERVERS if name in hosts[name] and not _is_shut_out(name, hosts)]
        try:
            await self.world.check_agreement(self.room_id, present)
            await check_verdicts(self.world, self.room_id)
        except AssertionError:
            # While nobody else could be reached one has believed the wrong server: more is not to be had.
            if not self.heard.lies_believed:
                raise
            self.world.network.met["parted by a lie"] += 1
        for name in SERVERS:
            await self._check_nothing_lost(name)
        await check_few_ends(self.world, self.room_id, present)
        await check_nothing_waits(self.world)
        assert not self.heard.errors, self.heard.errors[:3]

    async def _hosts(self, name: str) -> frozenset[str]:
        """Who is in the room as a server has it."""
        server = self.world.servers[name]
        room = await server.rooms.rooms.find(self.room_id)
        return frozenset() if room is None else await server.federation.hosts.of(room)

    async def _check_nothing_lost(self, name: str) -> None:
        """What a server has acknowledged it still has."""
        server = self.world.servers[name]
        mine = list(self.told.values())
        found = await server.rooms.cache.by_id(mine)
        for body, event_id in self.told.items():
            stored = found.get(event_id)
            sender = self._sender_of(body)
            assert stored is not None or sender != name, f"{name} has lost {body}"

    def _sender_of(self, body: str) -> str:
        line = self.log[int(body)]
        return line.split()[2].partition(":")[2]


def _is_shut_out(name: str, hosts: Mapping[str, frozenset[str]]) -> bool:
    """Whether a server that takes part holds that this one does not."""
    return any(other in theirs and name not in theirs for other, theirs in hosts.items())


def _server(person: Client) -> str:
    return person.user_id.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Told:
    """What has happened in a story."""

    faults: Counter[str]
    attacks: Counter[str]


async def tell(
    seed: int, folder: Path, *, steps: int, template: Path | None = None, byzantine: float = BYZANTINE
) -> Told:
    """One story from beginning to end. `byzantine`: in so many of them there is a server that keeps to no rule."""
    with listening() as heard:
        async with world(seed, folder, *SERVERS, template=template, grain_s=GRAIN_S) as play:
            return await _tell(Story(play, heard), seed, steps, byzantine)


async def _tell(story: Story, seed: int, steps: int, byzantine: float) -> Told:
    play = story.world
    try:
        await story.begin(byzantine)
        for _ in range(steps):
            if play.random.random() < 0.15:
                await story.trouble()
            await story.act()
            if play.random.random() < 0.6:
                await story.attack()
            if play.random.random() < 0.3:
                await _wait(play)
        await story.end()
        await story.check()
    except BaseException as error:
        error.add_note(f"seed {seed}:\n" + "\n".join(story.log))
        raise
    play.network.met["lie believed"] += story.heard.lies_believed
    play.network.met["state held back"] += 0 if story.held is None else story.held.refused
    return Told(play.network.met, Counter() if story.attacks is None else story.attacks.done)


async def _wait(play: World) -> None:
    await asyncio.sleep(play.random.choice((0.01, 0.2, 3.0, 60.0)))


__all__: Sequence[str] = ("Story", "Told", "tell")
