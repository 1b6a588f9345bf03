"""Killed while messages between devices are under way, the server loses none that it accepted, and keeps their order."""

import asyncio
import random
from http import HTTPStatus

import aiohttp

from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

_SENDERS = 4
_KILLS = 4
_LONGEST_S = 0.4


class Sending:
    """What one sender has sent to both readers, one message after another; each is repeated until it is accepted."""

    def __init__(self, number: int, person: Person, readers: list[str]) -> None:
        self.number = number
        self.person = person
        self.readers = readers
        self.sent = 0

    async def run(self) -> None:
        """Go on where it stopped, until the connection breaks."""
        while True:
            content = {"sender": self.number, "n": self.sent}
            messages = {user_id: {"*": content} for user_id in self.readers}
            path = f"/sendToDevice/m.test/{self.sent}"
            try:
                status, answer = await self.person.ask("PUT", path, {"messages": messages})
            except (aiohttp.ClientError, ConnectionError):
                return
            assert status == HTTPStatus.OK, answer
            self.sent += 1


class Reading:
    """What one reader has got; what comes again because an answer was lost counts once."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.since: str | None = None
        self.got: dict[int, list[int]] = {}

    async def sync(self) -> bool:
        """One sync; whether there was anything."""
        since = "" if self.since is None else f"&since={self.since}"
        status, answer = await self.person.ask("GET", f"/sync?timeout=0{since}")
        assert status == HTTPStatus.OK, answer
        self.since = answer["next_batch"]
        events = answer.get("to_device", {}).get("events", [])
        for event in events:
            self.got.setdefault(event["content"]["sender"], []).append(event["content"]["n"])
        return bool(events)

    async def run(self) -> None:
        """Until the connection breaks."""
        try:
            while True:
                await self.sync()
                await asyncio.sleep(0.01)
        except (aiohttp.ClientError, ConnectionError):
            return


async def test_each_message_arrives_once_and_in_order(homeserver_process: HomeserverProcess) -> None:
    """One reader follows all the while, the other comes at the end."""
    chance = random.Random()
    url = homeserver_process.url
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        readers = [Reading(await open_person(session, url)) for _ in range(2)]
        names = []
        for reader in readers:
            status, me = await reader.person.ask("GET", "/account/whoami")
            assert status == HTTPStatus.OK
            names.append(me["user_id"])
        sendings = [Sending(number, await open_person(session, url), names) for number in range(_SENDERS)]
        await readers[0].sync()
        for _ in range(_KILLS):
            async with asyncio.TaskGroup() as tasks:
                for sending in sendings:
                    tasks.create_task(sending.run())
                tasks.create_task(readers[0].run())
                await asyncio.sleep(chance.uniform(0.1, _LONGEST_S))
                homeserver_process.kill()
            await asyncio.to_thread(homeserver_process.start)
        for reader in readers:
            while await reader.sync():
                pass
    for reader in readers:
        for sending in sendings:
            # The last one may have been accepted without its sender being told.
            got = reader.got.get(sending.number, [])
            assert got in (list(range(sending.sent)), list(range(sending.sent + 1)))
    assert all(sending.sent for sending in sendings)
