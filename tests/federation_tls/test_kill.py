"""Either of two servers is killed in a burst of messages: after its restart both have everything that was acknowledged."""

import asyncio
from itertools import pairwise
from urllib.parse import quote

import aiohttp
import pytest

from tests.federation_tls.conftest import Pair
from tests.federation_tls.person import Person

_MESSAGES = 500
_AT_ONCE = 10
_KILLED_AFTER = 150
_RETRY_S = 0.1


class Burst:
    """Sends numbered messages, several at a time; what gets no answer is sent again, as a client does."""

    def __init__(self, person: Person, room_id: str) -> None:
        self._person = person
        self._room_id = room_id
        self._waiting = [f"message {number}" for number in reversed(range(_MESSAGES))]
        self.sent: dict[str, str] = {}
        self.well_under_way = asyncio.Event()

    async def run(self) -> None:
        """Until every message is acknowledged."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._lane())

    async def _lane(self) -> None:
        while self._waiting:
            body = self._waiting.pop()
            self.sent[body] = await self._persist(body)
            if len(self.sent) >= _KILLED_AFTER:
                self.well_under_way.set()

    async def _persist(self, body: str) -> str:
        while True:
            try:
                return await self._person.say(self._room_id, body, txn_id=quote(body))
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(_RETRY_S)


@pytest.mark.parametrize("killed", ["sender", "receiver", "both"])
async def test_no_message_is_lost(pair: Pair, killed: str) -> None:
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room()
    await bob.join(room_id, pair.one.server_name)
    await alice.wait_for_members(room_id, {alice.user_id, bob.user_id})
    victims = {"sender": [pair.one], "receiver": [pair.two], "both": [pair.one, pair.two]}[killed]
    burst = Burst(alice, room_id)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(burst.run())
        await burst.well_under_way.wait()
        for victim in victims:
            victim.kill()
        for victim in victims:
            await asyncio.to_thread(victim.start)
    await bob.wait_for_texts(room_id, list(burst.sent))
    for person in (alice, bob):
        found = [event["event_id"] for event in await person.history(room_id) if event["type"] == "m.room.message"]
        assert sorted(found) == sorted(burst.sent.values())
    assert len(burst.sent) == _MESSAGES
    assert await alice.state(room_id) == await bob.state(room_id)
    await bob.say(room_id, "all there")
    await alice.wait_for_texts(room_id, ["all there"])


async def test_one_after_the_other_in_order(pair: Pair) -> None:
    """What one person says one by one is heard in that order, although the hearer is killed meanwhile."""
    alice, bob = pair.alice, pair.bob
    room_id = await alice.create_room()
    await bob.join(room_id, pair.one.server_name)
    texts = [str(number) for number in range(120)]
    for text in texts:
        await alice.say(room_id, text)
        if text == "60":
            pair.two.kill()
            pair.two.start()
    await bob.wait_for_texts(room_id, texts)
    heard = [int(text) for text in await bob.said(room_id)]
    assert all(before < after for before, after in pairwise(heard))
