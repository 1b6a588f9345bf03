"""Random stories of rooms that are joined partially; each is told again exactly by its seed.

While the states are held back people come and go, speak, are banned, and say things that they may not any more; ours are
thrown out, leave and come back; what others say comes late, or has to be asked for; requests and answers are lost, servers
are away, and ours crashes. In the end the room is what it really is, and nothing is lost of what our users were told to have
been sent.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from ranvier.ports import FederationUnreachable
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.store.events import ACCEPTED
from tests.api.asgi import Client
from tests.faster_joins.room import MEMBER, ScriptedRoom, State
from tests.faster_joins.stage import CHARLIE, OURS, RESIDENT, Stage, staged
from tests.plays.network import Faults
from tests.plays.world import difference

STEPS: Final = 25
VERSIONS: Final = ("6", "9", "10", "11", "12")
FAULTS: Final = (
    "join", "leave", "ban", "kick", "crash", "server away", "forged event", "event kept back", "lost request", "lost answer",
    "repetition", "thrown out", "last of us left", "states told meanwhile",
)  # fmt: skip
"""What has to happen now and then."""
UNRELIABLE: Final = Faults(delay_s=2.0, lost_request=0.1, lost_answer=0.1, repeated=0.1)
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
            random.choice(VERSIONS),
            members=people,
            levels=dict.fromkeys(self.moderators, 50),
            name=random.choice(("Square", None)),
        )
        for name in SERVERS:
            s.server(name)
        self.people = people
        self.faults: Counter[str] = Counter()
        """What has happened."""
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
            with suppress(FederationUnreachable):
                await self.s.server(server).send(event)
        else:
            self.faults["event kept back"] += 1
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
            self.faults["join"] += 1
            await self.tell(self.room.member(self.random.choice(welcome), "join"))

    async def go(self) -> None:
        leaving = [one for one in self.present if one != CHARLIE]
        if leaving:
            self.faults["leave"] += 1
            await self.tell(self.room.member(self.random.choice(leaving), "leave"))

    async def remove(self) -> None:
        target = self.random.choice(self.people)
        membership = self.random.choice(("leave", "ban"))
        self.faults["ban" if membership == "ban" else "kick"] += 1
        await self.tell(self.room.member(target, membership, by=CHARLIE))

    async def forge(self) -> None:
        """Who is not in the room any more speaks as if they were."""
        absent = [one for one in self.people if one not in self.present]
        if absent:
            self.faults["forged event"] += 1
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

    async def throw_out(self) -> None:
        """One of us is kicked, or banned for a while. Everybody knows what of them there is to know."""
        user_id = self.random.choice(self.clients)
        ours = (await self.s.state_ids(self.room)).get((MEMBER, user_id))
        known = self.room.state.get((MEMBER, user_id))
        if self.down or known is None or ours != known.event_id or known.membership != "join":
            return
        self.faults["thrown out"] += 1
        network = self.s.world.network
        network.faults, faults = Faults(), network.faults
        membership = self.random.choice(("leave", "ban"))
        await self.until_known(self.room.member(user_id, membership, by=CHARLIE))
        if membership == "ban":
            await self.until_known(self.room.member(user_id, "leave", by=CHARLIE))
        network.faults = faults
        if not await self.is_ours():
            self.faults["last of us left"] += 1

    async def until_known(self, event: Event) -> None:
        """An event of charlie comes, and ours knows it in its place: who does not know yet that they are out may speak on,
        and be told that they have spoken.
        """
        await self.s.resident.send(event)
        for _ in range(100):
            await self.s.pause(self.random.choice((1, 60)))
            if event.event_id in (await self.s.state_ids(self.room)).values() or not await self.is_ours():
                return
        raise AssertionError(f"{event.event_id} never came")

    async def is_ours(self) -> bool:
        """Whether one of us is in the room, as our server has it."""
        clients = [self.s.world.clients[user_id] for user_id in self.clients]
        return any([self.room.room_id in (await one.get("/joined_rooms")).ok()["joined_rooms"] for one in clients])

    async def back(self) -> None:
        """If nobody of us is in the room any more, alice comes back."""
        if not await self.is_ours():
            await self.s.try_join(self.room, None, RESIDENT, "a.test", "b.test")
            await self.s.pause(1)

    async def crash(self) -> None:
        self.faults["crash"] += 1
        await self.s.restart()

    async def away(self) -> None:
        """A server goes away, or comes back."""
        name = self.random.choice(SERVERS)
        if name in self.down:
            self.down.discard(name)
            self.s.world.network.apps[name] = self.s.server(name)
        else:
            self.down.add(name)
            self.faults["server away"] += 1
            del self.s.world.network.apps[name]

    async def hold(self) -> None:
        """One server tells states, or ceases to."""
        server = self.s.server(self.random.choice(SERVERS))
        act = self.random.choice((server.hold, server.release))
        self.faults["states told meanwhile"] += act == server.release
        act()

    async def run(self) -> None:
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.speak), (4, self.topic), (4, self.come), (3, self.go), (3, self.remove), (3, self.forge), (3, self.forge_state), (6, self.say),
            (2, self.join), (2, self.leave), (1, self.crash), (2, self.away), (1, self.hold), (1, self.throw_out), (2, self.back),
        ]  # fmt: skip
        for name in SERVERS:
            await self.s.server(name).send()  # Its keys are known: the members of a server that is away are as good.
        await self.s.join_partially(self.room)
        self.s.world.network.faults = self.random.choice((Faults(), Faults(), UNRELIABLE))
        for _ in range(STEPS):
            (act,) = self.random.choices([act for _, act in acts], [weight for weight, _ in acts])
            await act()
        await self.end()

    async def end(self) -> None:
        """Everybody is back, and speaks once more, so that what was lost is asked for."""
        s, room = self.s, self.room
        s.world.network.faults = Faults()
        self.down.clear()
        for name in SERVERS:
            s.world.network.apps[name] = s.server(name)
        s.release()
        await s.pause(120)
        await self.back()
        for _ in range(3):
            await s.tell(room.say("the end"))
            await s.pause(60)
        await s.until_full(room, at_most_s=3 * 24 * 3600)
        for _ in range(60):
            await s.pause(120)
            if await self.agrees():
                break  # Else something may be on its way to a server that was away for long.
        expected = {key: event.event_id for key, event in room.state.items()}
        found_ids = await s.state_ids(room)
        assert await s.partial(room) is None
        assert await s.rows("events") == []
        assert found_ids == expected, difference(expected, found_ids)
        await s.world.check_agreement(room.room_id, [OURS])
        found = await s.ours.rooms.cache.by_id(self.sent)
        assert [found[event_id].status for event_id in self.sent] == [ACCEPTED] * len(self.sent)
        assert set(self.sent) <= room.before.keys()

    async def agrees(self) -> bool:
        """Whether ours has the room's state, and others what ours has said."""
        found = await self.s.state_ids(self.room)
        is_known = self.room.before.keys() >= set(self.sent)
        return is_known and found == {key: event.event_id for key, event in self.room.state.items()}


@dataclass(slots=True)
class PartialJoins:
    """Tells such stories, and counts what has happened in them."""

    folder: Path
    template: Path
    """A database file that is migrated already."""
    faults: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    """None: residents that lie have tests of their own."""

    def tell(self, seed: int) -> None:
        """One of them. Raises what has gone wrong, with the seed as a note."""

        async def act(s: Stage) -> None:
            ben = await s.user("ben")
            story = Story(s, Random(seed), [s.alice, ben])
            await story.run()
            self.faults += story.faults + s.world.network.met

        with TemporaryDirectory(dir=self.folder) as folder:
            try:
                staged(faster_joins={"give_up_after": "30d"})(act)(Path(folder), self.template)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
