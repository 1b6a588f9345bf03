"""Somebody who sends, with plain HTTP: sees every status, and never asks twice by itself."""

import secrets
from collections import Counter
from http import HTTPStatus
from typing import Any

import aiohttp

_API = "/_matrix/client/v3"
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_PAGE = 500


class Person:
    """A registered user in a room of their own. `open_person` makes one."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.token = ""
        self.room_id = ""

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request; its status and answer. Raises `aiohttp.ClientError` if there was none."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self._session.request(
            method, f"{self._url}{_API}{path}", json=body, headers=headers, timeout=_TIMEOUT
        ) as answer:
            return answer.status, await answer.json()

    async def settle(self) -> None:
        """Make an account and a room."""
        account = {"username": f"user-{secrets.token_hex(4)}", "password": "secret", "auth": {"type": "m.login.dummy"}}
        status, answer = await self.ask("POST", "/register", account)
        assert status == HTTPStatus.OK, answer
        self.token = answer["access_token"]
        status, answer = await self.ask("POST", "/createRoom", {})
        assert status == HTTPStatus.OK, answer
        self.room_id = answer["room_id"]

    async def send(self, txn_id: str, body: str) -> tuple[int, dict[str, Any]]:
        """Send a text into the room under this transaction ID; status and answer."""
        path = f"/rooms/{self.room_id}/send/m.room.message/{txn_id}"
        return await self.ask("PUT", path, {"msgtype": "m.text", "body": body})

    async def history(self) -> Counter[str]:
        """How many times every event of the room is in its history."""
        found: Counter[str] = Counter()
        path = f"/rooms/{self.room_id}/messages?dir=b&limit={_PAGE}"
        following = path
        while True:
            status, page = await self.ask("GET", following)
            assert status == HTTPStatus.OK, page
            found.update(event["event_id"] for event in page["chunk"] if event["type"] == "m.room.message")
            if "end" not in page:
                return found
            following = f"{path}&from={page['end']}"


async def open_person(session: aiohttp.ClientSession, url: str) -> Person:
    """Somebody new, in a room of their own."""
    person = Person(session, url)
    await person.settle()
    return person
