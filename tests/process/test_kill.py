"""Killed at any moment, the server has lost nothing that it acknowledged, and nothing is there twice."""

import asyncio
import os
import random
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

_ROUNDS = int(os.environ.get("RANVIER_TEST_KILLS", "12"))
"""How many times to kill; more by hand: RANVIER_TEST_KILLS=500."""
_PEOPLE = 3
_AT_ONCE = 4
"""Requests of each person under way at a time, so that a kill hits some in every state."""
_LONGEST_S = 0.25


@dataclass(slots=True)
class Ledger:
    """What one person has tried, and what they were promised."""

    person: Person
    sent: int = 0
    open: list[str] = field(default_factory=list)
    """Transactions without an answer."""
    promised: dict[str, str] = field(default_factory=dict)
    """Event IDs by transaction."""

    async def send_until_it_ends(self) -> None:
        """Send one message after another, until the connection breaks."""
        while True:
            self.sent += 1
            txn_id = f"t{self.sent}"
            self.open.append(txn_id)
            try:
                await self.send(txn_id)
            except (aiohttp.ClientError, ConnectionError):
                return

    async def send(self, txn_id: str) -> None:
        """Send, perhaps once more; what was promised before must be what is promised now."""
        status, answer = await self.person.send(txn_id, f"body of {txn_id}")
        assert status == HTTPStatus.OK, answer
        assert self.promised.setdefault(txn_id, answer["event_id"]) == answer["event_id"]
        if txn_id in self.open:
            self.open.remove(txn_id)

    async def settle_open(self, again: list[str]) -> None:
        """Send what got no answer, and some that did, as a client does after it has lost its connection."""
        for txn_id in [*self.open, *again]:
            await self.send(txn_id)

    async def check(self) -> None:
        """Everything promised is there, once, and nothing else is."""
        assert await self.person.history() == dict.fromkeys(self.promised.values(), 1)


async def test_acknowledged_events_survive_kills(homeserver_process: HomeserverProcess) -> None:
    chance = random.Random()
    async with aiohttp.ClientSession() as session:
        ledgers = [Ledger(await open_person(session, homeserver_process.url)) for _ in range(_PEOPLE)]
        for _ in range(_ROUNDS):
            async with asyncio.TaskGroup() as tasks:
                for ledger in ledgers:
                    for _ in range(_AT_ONCE):
                        tasks.create_task(ledger.send_until_it_ends())
                await asyncio.sleep(chance.uniform(0, _LONGEST_S))
                homeserver_process.kill()
            await asyncio.to_thread(homeserver_process.start)
            for ledger in ledgers:
                again = chance.sample(sorted(ledger.promised), min(3, len(ledger.promised)))
                await ledger.settle_open(again)
                await ledger.check()
        assert sum(len(ledger.promised) for ledger in ledgers) > _ROUNDS, "the test sent nothing to speak of"
        await _resend_everything(ledgers)


async def _resend_everything(ledgers: list[Ledger]) -> None:
    for ledger in ledgers:
        await ledger.settle_open(sorted(ledger.promised)[-100:])
        await ledger.check()
