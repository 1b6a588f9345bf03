"""Killed while many claim one-time keys, the server gives no key to two of them, and keeps all the others."""

import asyncio
import os
import random
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

_KEYS = int(os.environ.get("RANVIER_TEST_CLAIMS", "1000"))
"""How many keys there are; more by hand: RANVIER_TEST_CLAIMS=10000."""
_CLAIMERS = 50
_LONGEST_S = 0.15
_ALGORITHM = "curve25519"


@dataclass(slots=True)
class Claimed:
    """What the claimers have got."""

    keys: list[str] = field(default_factory=list)
    unanswered: int = 0
    """Claims that were cut off: their keys may have been given out."""
    is_over: bool = False


async def test_no_key_is_given_out_twice(homeserver_process: HomeserverProcess) -> None:
    chance = random.Random()
    claimed = Claimed()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        owner = await open_person(session, homeserver_process.url)
        status, me = await owner.ask("GET", "/account/whoami")
        assert status == HTTPStatus.OK
        names = [f"{_ALGORITHM}:k{number}" for number in range(_KEYS)]
        status, _ = await owner.ask("POST", "/keys/upload", {"one_time_keys": dict.fromkeys(names, "key")})
        assert status == HTTPStatus.OK
        wanted: dict[str, object] = {"one_time_keys": {me["user_id"]: {me["device_id"]: _ALGORITHM}}}
        kills = 0
        while not claimed.is_over:
            async with asyncio.TaskGroup() as tasks:
                claimers = [tasks.create_task(_claim(owner, wanted, claimed)) for _ in range(_CLAIMERS)]
                await asyncio.wait(claimers, timeout=chance.uniform(0.02, _LONGEST_S))
                homeserver_process.kill()
            kills += 1
            await asyncio.to_thread(homeserver_process.start)
            again = chance.sample(names, 20)
            status, _ = await owner.ask("POST", "/keys/upload", {"one_time_keys": dict.fromkeys(again, "key")})
            assert status == HTTPStatus.OK
    assert kills > 1
    assert len(claimed.keys) == len(set(claimed.keys))
    assert set(claimed.keys) <= set(names)
    assert len(names) - len(claimed.keys) <= claimed.unanswered


async def _claim(owner: Person, wanted: dict[str, object], claimed: Claimed) -> None:
    """One claim after another, until there is nothing left or the connection breaks."""
    while True:
        try:
            status, answer = await owner.ask("POST", "/keys/claim", wanted)
        except (aiohttp.ClientError, ConnectionError):
            claimed.unanswered += 1
            return
        assert status == HTTPStatus.OK, answer
        found = [key for devices in answer["one_time_keys"].values() for keys in devices.values() for key in keys]
        if not found:
            claimed.is_over = True
            return
        claimed.keys += found
