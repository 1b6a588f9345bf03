"""Random plays: servers come and go, answers get lost, this server is killed; in the end everybody has heard everything."""

import asyncio
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from random import Random

import pytest

from ranvier.proto.events import Event
from ranvier.rooms.accept import Arrival
from tests.federation.peers import Place, Sent, answer, place
from tests.plays.virtual_loop import run_virtually
from tests.rooms.remote_room import RemoteRoom

SERVERS = ["one.test", "two.test", "three.test"]
BACK_OFF = {"destination_min_retry_interval": "1m", "destination_max_retry_interval": "10m"}


class Story:
    """One play, and what should come of it."""

    def __init__(self, at: Place, random: Random) -> None:
        self.at = at
        self.random = random
        self.rooms: list[RemoteRoom] = []
        self.inside: defaultdict[str, set[str]] = defaultdict(set)
        """By room the servers in it."""
        self.expected: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        """By server and room what it has to hear, in order."""
        self.said = 0
        self.runs: defaultdict[str, list[int]] = defaultdict(list)
        """By server how much had been tried when this server was started anew."""

    async def begin(self) -> None:
        assert self.at.homeserver is not None
        self.client = await self.at.homeserver.register("alice")
        for number in range(3):
            inside = [server for server in SERVERS if self.random.random() < 0.7]
            room = await self.at.room(self.client.user_id, *(f"@u:{server}" for server in inside), number=number)
            self.rooms.append(room)
            self.inside[room.room_id] = {*inside, room.server}

    async def step(self) -> None:
        random, peers = self.random, self.at.peers
        what = random.choices(["say", "sleep", "down", "up", "error", "kill", "member"], [10, 6, 2, 3, 2, 1, 2])[0]
        server = random.choice(SERVERS)
        if what == "say":
            await self._say(random.choice(self.rooms), random.randrange(1, 8))
        elif what == "sleep":
            await asyncio.sleep(random.choice([0.01, 0.1, 3, 30, 120]))
        elif what == "down":
            peers.down.add(server)
        elif what == "up":
            peers.down.discard(server)
        elif what == "error":
            peers.answers[server].append(answer(random.choice([500, 502, 403, 429])))
        elif what == "kill":
            await self._restart()
        else:
            await self._member(random.choice(self.rooms), server)

    async def end(self) -> None:
        """Everybody is well, and has time."""
        self.at.peers.down.clear()
        self.at.peers.lost_answers = 0.0
        await asyncio.sleep(3600)

    def check(self) -> None:
        for (server, room_id), expected in self.expected.items():
            heard = [
                pdu["content"]["body"]
                for sent in self.at.peers.taken[server]
                for pdu in sent.content["pdus"]
                if pdu["room_id"] == room_id and pdu["type"] == "m.room.message"
            ]
            assert list(dict.fromkeys(heard)) == expected, (server, room_id)
        for server, tried in self.at.peers.tried.items():
            self._check_transactions(tried, self.runs[server])

    def _check_transactions(self, tried: list[Sent], runs: list[int]) -> None:
        """One after the other; the same however often it was sent; bounded."""
        assert len({sent.txn_id for sent in tried}) == len({(sent.txn_id, sent.body) for sent in tried})
        begins = [0, *runs]
        for start, stop in zip(begins, [*runs, len(tried)], strict=True):
            ids = [txn_id for txn_id, _ in groupby(sent.txn_id for sent in tried[start:stop])]
            assert len(ids) == len(set(ids))
        assert all(len(sent.content["pdus"]) <= 50 for sent in tried)

    async def _say(self, room: RemoteRoom, times: int) -> None:
        for _ in range(times):
            self.said += 1
            await self.client.say(room.room_id, str(self.said))
            for server in self.inside[room.room_id]:
                self.expected[server, room.room_id].append(str(self.said))

    async def _restart(self) -> None:
        await self.at.restart(crash=self.random.random() < 0.8)
        for server, tried in self.at.peers.tried.items():
            self.runs[server].append(len(tried))
        self.client = self.at.back(self.client)

    async def _member(self, room: RemoteRoom, server: str) -> None:
        """A user of the server comes or goes."""
        is_inside = server in self.inside[room.room_id]
        user_id = f"@u:{server}"
        event: Event = room.tell(
            "m.room.member", {"membership": "leave" if is_inside else "join"}, sender=user_id, state_key=user_id
        )
        (stored,) = await self.at.server.rooms.accepting.accept(room.room_id, [Arrival(event=event)])
        assert stored is not None and stored.status == 0
        self.inside[room.room_id] ^= {server}


@pytest.mark.parametrize("seed", range(8))
def test_in_the_end_everybody_has_heard_everything(tmp_path: Path, seed: int) -> None:
    async def act() -> None:
        async with place(tmp_path, federation=BACK_OFF) as at:
            random = Random(seed)
            at.peers.random = Random(random.random())
            at.peers.lost_answers = random.choice([0.0, 0.3])
            at.peers.delay_s = random.choice([0.01, 1, 20])
            story = Story(at, random)
            await story.begin()
            for _ in range(80):
                await story.step()
            await story.end()
            story.check()

    run_virtually(act())
