"""One of the simulated users: polls, talks, sends messages to devices, reads, and tries again what was not answered."""

import asyncio
import random
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.soak.ledger import Ledger

_TIMEOUT = aiohttp.ClientTimeout(total=40)
_POLL_MS = 20_000
_AGAIN_S = 0.7
_FAILED = (aiohttp.ClientError, ConnectionError, TimeoutError, ValueError)
_MESSAGE = "soak.message"
_NOTE = "soak.note"


class Person:
    """A user with one device, on the server at `url`."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, *, ledger: Ledger, chance: random.Random
    ) -> None:
        self._session = session
        self._url = url
        self._name = name
        self._ledger = ledger
        self._chance = chance
        self._token = ""
        self._since = ""
        self._number = 0
        self.user_id = ""
        self.rooms: list[str] = []
        self.encrypted: set[str] = set()
        """Which of them are encrypted."""

    async def register(self) -> None:
        """Make the account."""
        account = {"username": self._name, "password": "secret of tests", "auth": {"type": "m.login.dummy"}}
        answer = await self.insist("register", "POST", "/register", account)
        self._token, self.user_id = answer["access_token"], answer["user_id"]

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; its status and answer. Raises one of `_FAILED` if there is none."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._session.request(
            method, f"{self._url}/_matrix/client/v3{path}", json=body, headers=headers, timeout=_TIMEOUT
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def insist(self, kind: str, method: str, path: str, body: Any = None) -> Any:
        """Ask until it succeeds, as a client with an outbox does. Raises `AssertionError` if the server refuses."""
        while True:
            try:
                status, answer = await self.ask(method, path, body)
            except _FAILED as error:
                self._ledger.failures[f"{kind}: {type(error).__name__}"] += 1
            else:
                if status == 200:
                    self._ledger.requests[kind] += 1
                    return answer
                self._ledger.failures[f"{kind}: {status}"] += 1
                if status < 500 and status != 429:
                    raise AssertionError(f"{self.user_id}: {method} {path}: {status} {answer}")
            await asyncio.sleep(_AGAIN_S)

    async def say(self, room_id: str) -> None:
        """Send a message, encrypted (or what looks so) where the room is."""
        self._number += 1
        if room_id in self.encrypted:
            type, content = "m.room.encrypted", _ciphertext(self._chance)
        else:
            type, content = "m.room.message", {"msgtype": "m.text", "body": f"{self._name} says {self._number}"}
        path = f"/rooms/{quote(room_id)}/send/{type}/t{self._number}"
        event_id = (await self.insist("send", "PUT", path, content))["event_id"]
        self._ledger.events[room_id][event_id] = self.user_id
        if self._chance.random() < 0.05:
            again = (await self.insist("send again", "PUT", path, content))["event_id"]
            if again != event_id:
                self._ledger.changed_promises.append(f"{path}: {event_id}, {again}")

    async def note(self, room_id: str) -> None:
        """Change the state of the room."""
        self._number += 1
        path = f"/rooms/{quote(room_id)}/state/{_NOTE}/{quote(self.user_id)}"
        event_id = (await self.insist("state", "PUT", path, {"number": self._number}))["event_id"]
        self._ledger.events[room_id][event_id] = self.user_id

    async def tell_device(self, other: str) -> None:
        """Send a message to all devices of somebody."""
        self._number += 1
        message = f"{self._name}/{self._number}"
        self._ledger.tried.add(message)
        body = {"messages": {other: {"*": {"message": message, "for": other}}}}
        await self.insist("to device", "PUT", f"/sendToDevice/{_MESSAGE}/d{self._number}", body)
        self._ledger.taken[message] = other

    async def live(self, everybody: list[str], pause_s: float) -> None:
        """Do one thing after the other, with pauses of `pause_s` in the mean, until cancelled."""
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / pause_s))
            room_id = self._chance.choice(self.rooms)
            draw = self._chance.random()
            if draw < 0.7:
                await self.say(room_id)
            elif draw < 0.85:
                await self.tell_device(self._chance.choice(everybody))
            elif draw < 0.9:
                await self.note(room_id)
            elif draw < 0.95:
                await self.insist("messages", "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=30")
            else:
                body = {"typing": True, "timeout": 5000}
                path = f"/rooms/{quote(room_id)}/typing/{quote(self.user_id)}"
                await self.insist("typing", "PUT", path, body)

    async def follow(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.sync(_POLL_MS)

    async def sync(self, timeout_ms: int = 0) -> int:
        """Sync once; how many messages to this device came."""
        path = f"/sync?timeout={timeout_ms if self._since else 0}" + (f"&since={self._since}" if self._since else "")
        answer = await self.insist("sync", "GET", path)
        # An answer that broke off is asked for again with the same `since`, so only whole ones count.
        self._since = answer["next_batch"]
        events = answer.get("to_device", {}).get("events", [])
        for event in events:
            content = event["content"]
            self._ledger.arrived[content["message"]] += 1
            if content["for"] != self.user_id:
                self._ledger.strayed.append(content["message"])
        return len(events)

    async def history(self, room_id: str) -> list[str]:
        """The IDs of all events that the server shows."""
        found: list[str] = []
        path = f"/rooms/{quote(room_id)}/messages?dir=b&limit=200"
        following = path
        while True:
            page = await self.insist("history", "GET", following)
            found += [event["event_id"] for event in page["chunk"]]
            if "end" not in page:
                return found
            following = f"{path}&from={quote(page['end'])}"

    async def state(self, room_id: str) -> dict[tuple[str, str], str]:
        """The IDs of the events of the room's state."""
        events = await self.insist("whole state", "GET", f"/rooms/{quote(room_id)}/state")
        return {(event["type"], event["state_key"]): event["event_id"] for event in events}


def _ciphertext(chance: random.Random) -> dict[str, Any]:
    return {
        "algorithm": "m.megolm.v1.aes-sha2",
        "ciphertext": chance.randbytes(180).hex(),
        "session_id": chance.randbytes(16).hex(),
        "device_id": "SOAK",
    }
