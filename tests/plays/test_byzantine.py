"""A server that keeps to no rule, and what it must not achieve."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ranvier.federation.waiting_events import WAITING
from ranvier.store.events import ACCEPTED, REJECTED
from tests.api.asgi import Client, in_room, part
from tests.plays.byzantine import EVIL, Byzantine
from tests.plays.byzantine_answers import MOODS, ByzantineApp, let_in
from tests.plays.invariants import check_few_ends, check_verdicts
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, heard, say, world

ONE, TWO, THREE = SERVERS = "one.test", "two.test", "three.test"
TOPIC = "m.room.topic"
EVIL_USER = f"@m1:{EVIL}"


@dataclass
class Stage:
    """A room with everybody in it."""

    play: World
    room_id: str
    people: list[Client]
    evil: ByzantineApp

    @property
    def peer(self) -> Byzantine:
        return self.evil.peer

    def always(self, mood: str) -> None:
        """The server is in this mood from now on."""
        self.evil.weights = [one == mood for one in MOODS]

    async def check(self) -> None:
        """Nobody has suffered."""
        await self.play.settle()
        await self.play.check_agreement(self.room_id, SERVERS)
        await check_verdicts(self.play, self.room_id)


def staged(folder: Path, act: Callable[[Stage], Awaitable[None]], *, version: str = "11") -> None:
    async def run() -> None:
        async with world(1, folder, *SERVERS) as play:
            people = [await play.user("u", name) for name in SERVERS]
            room_id = await people[0].create_room(
                preset="public_chat",
                room_version=version,
                power_level_content_override={"events": {TOPIC: 0}},
            )
            for person in people[1:]:
                (await person.post(f"/join/{part(room_id)}?via={ONE}")).ok()
            evil = await let_in(play, room_id, ONE)
            await play.settle()
            await act(Stage(play, room_id, people, evil))

    run_virtually(run())


@pytest.mark.parametrize("version", ["2", "10", "12"])
def test_different_states_for_different_servers_do_not_part_them(tmp_path: Path, version: str) -> None:
    async def act(stage: Stage) -> None:
        peer = stage.peer
        hidden = peer.make(TOPIC, {"topic": "nobody is given this"}, state_key="")
        peer.place(hidden, peer.state)
        peer.withheld.add(hidden.event_id)
        after = {**peer.state, (TOPIC, ""): hidden}
        shown = peer.make("m.room.message", {"body": "on it"}, prev=[hidden], state=after)
        peer.place(shown, after)
        topics = {name: peer.make(TOPIC, {"topic": f"for {name} alone"}, state_key="") for name in SERVERS}
        peer.events.update({topic.event_id: topic for topic in topics.values()})
        stage.always("lie")
        stage.evil.lie = lambda asker, state: {**state, (TOPIC, ""): topics[asker]}
        await peer.tell(SERVERS, shown)
        await stage.check()
        for person in stage.people:
            await say(person, stage.room_id, "after it")
        await stage.check()

    staged(tmp_path, act, version=version)


def test_events_without_end_do_not_hold_up_those_of_others(tmp_path: Path) -> None:
    """One server fills the line of what waits, and answers no question; the gap in what another sends is closed at once."""

    async def act(stage: Stage) -> None:
        peer, play = stage.peer, stage.play
        stage.always("silence")
        for number in range(40):
            nowhere = f"${number:02}{'x' * 40}A"
            peer.place(peer.make("m.room.message", {"body": f"{number}"}, prev_events=[nowhere]), peer.state)
        await peer.tell([TWO], *[peer.events[event_id] for event_id in peer.told[-40:]])
        play.network.part(ONE, TWO)
        await say(stage.people[0], stage.room_id, "while you were away")
        await play.clocks[ONE].sleep(2)
        play.network.heal()
        await say(stage.people[2], stage.room_id, "on what you have not seen")
        await play.clocks[ONE].sleep(3)
        assert (await heard(stage.people[1], stage.room_id))[:2] == ["on what you have not seen", "while you were away"]
        await stage.check()

    staged(tmp_path, act)


def test_one_server_fills_its_own_line_only(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        peer, play = stage.peer, stage.play
        stage.always("silence")
        for start in range(0, WAITING + 50, 50):
            events = [
                peer.make("m.room.message", {"body": "lost"}, prev_events=[f"${start + number:03}{'x' * 39}A"])
                for number in range(50)
            ]
            await peer.tell([TWO], *events)
        rows = await play.servers[TWO].db.all("SELECT origin FROM inbound_events")
        assert [row[0] for row in rows] == [EVIL] * WAITING
        await say(stage.people[0], stage.room_id, "hello")
        await play.clocks[ONE].sleep(1)
        assert await heard(stage.people[1], stage.room_id) == ["hello"]

    staged(tmp_path, act)


def test_a_long_gap_is_closed_event_by_event(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        alice, bob, carol = stage.people
        stage.play.network.part(ONE, TWO)
        said = [f"{number}" for number in range(130)]
        for body in said:
            await say(alice, stage.room_id, body)
        await stage.play.clocks[ONE].sleep(5)
        await say(carol, stage.room_id, "last")
        await stage.play.clocks[ONE].sleep(60)
        states = [target for _, _, _, target in stage.play.network.requests if "/state" in target]
        assert states == []
        assert await heard(bob, stage.room_id, 1000) == ["last", *reversed(said)]
        stage.play.network.heal()
        await stage.check()

    staged(tmp_path, act)


@pytest.mark.parametrize(
    "claim",
    [
        {"depth": -5},
        {"depth": 0},
        {"depth": (1 << 53) - 1},
        {"origin_server_ts": -1},
        {"origin_server_ts": 1 - (1 << 53)},
    ],
    ids=str,
)
def test_a_claimed_depth_or_time_does_not_hide_an_event(tmp_path: Path, claim: dict[str, Any]) -> None:
    """One server is shown an event and speaks on it; the others get both from that one."""

    async def act(stage: Stage) -> None:
        peer = stage.peer
        stage.always("withhold")
        event = peer.make("m.room.message", {"body": "deep"}, **claim)
        peer.place(event, peer.state)
        await peer.tell([THREE], event)
        await say(stage.people[2], stage.room_id, "on it")
        await stage.check()
        for person in stage.people:
            assert await heard(person, stage.room_id) == ["on it", "deep"]

    staged(tmp_path, act)


def test_a_flood_of_forks_leaves_few_ends(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        peer = stage.peer
        place = peer.ends[-1]
        for number in range(60):
            fork = peer.make("m.room.message", {"body": f"{number}"}, prev=[place])
            await peer.send(SERVERS[number % 3], [fork.pdu])
        await stage.check()
        await check_few_ends(stage.play, stage.room_id, SERVERS)

    staged(tmp_path, act)


def test_nothing_is_believed_in_the_name_of_others(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        peer, alice = stage.peer, stage.people[0]
        for sender in (alice.user_id, stage.people[1].user_id):
            event = peer.make("m.room.message", {"body": "I am somebody else"}, sender=sender)
            pdu = event.pdu
            pdu["signatures"][sender.partition(":")[2]] = {"ed25519:a_play": pdu["signatures"][EVIL][peer.key.key_id]}
            for server in SERVERS:
                answer = await peer.send(server, [pdu])
                assert "error" in answer["pdus"][event.event_id]
        await stage.check()
        assert await heard(alice, stage.room_id) == []

    staged(tmp_path, act)


def test_what_stands_on_an_event_that_is_rejected_later_is_rejected_with_it(tmp_path: Path) -> None:
    """By its own auth events alone it was allowed, and so was what cites it."""

    async def act(stage: Stage) -> None:
        peer, (alice, *_) = stage.peer, stage.people
        stage.always("truth")
        levels = f"{in_room(stage.room_id)}/state/m.room.power_levels"
        content = (await alice.get(levels)).ok()
        (await alice.put(levels, {**content, "users": {**content["users"], EVIL_USER: 50}})).ok()
        await stage.play.settle()
        with_power = dict(peer.state)
        (await alice.put(levels, content)).ok()
        await stage.play.settle()
        rules = peer.make("m.room.join_rules", {"join_rule": "public", "mine": 1}, state_key="", state=with_power)
        user = {"state_key": EVIL_USER, "sender": EVIL_USER}
        on_it = {**with_power, ("m.room.join_rules", ""): rules}
        member = peer.make("m.room.member", {"membership": "join"}, prev=[rules], state=on_it, **user)
        after = {**on_it, ("m.room.member", EVIL_USER): member}
        topic = peer.make("m.room.name", {"name": "mine"}, state_key="", state=after)
        for event in (rules, member, topic):
            peer.events[event.event_id] = event
        await peer.tell([TWO], topic)
        await stage.play.settle()
        cache = stage.play.servers[TWO].rooms.cache
        assert (await cache.by_id([member.event_id]))[member.event_id].status == ACCEPTED
        await peer.tell([TWO], rules)
        await stage.check()
        for event in (rules, member):
            assert (await cache.by_id([event.event_id]))[event.event_id].status == REJECTED

    staged(tmp_path, act)
