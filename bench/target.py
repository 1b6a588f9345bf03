"""A homeserver that is measured, and people on it."""

import itertools
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp


class Failed(Exception):
    """The server did not do what it was asked."""


class Target:
    """A running server. With a folder, the size of its database is known, too."""

    def __init__(
        self, name: str, url: str, pid: int, session: aiohttp.ClientSession, folder: Path | None = None
    ) -> None:
        self.name = name
        self.pid = pid
        self._url = url
        self._session = session
        self._folder = folder

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """One request; the JSON of its answer. Raises `Failed` unless it succeeds."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.request(method, self._url + path, json=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise Failed(f"{self.name}: {method} {path}: {answer.status} {content[:300]!r}")
            return await answer.json()

    async def person(self) -> "Person":
        """Somebody new."""
        account = {
            "username": f"p{secrets.token_hex(6)}",
            "password": "correct horse",
            "auth": {"type": "m.login.dummy"},
        }
        return Person(self, await self.ask("POST", "/_matrix/client/v3/register", account))

    def database_bytes(self) -> int:
        """How large the files of the database are."""
        if self._folder is None:
            raise ValueError("where the database is was not told")
        return sum(
            path.stat().st_size for path in self._folder.glob("homeserver.db*") if not path.name.endswith("-shm")
        )


class Person:
    """Somebody with a token."""

    def __init__(self, target: Target, account: dict[str, Any]) -> None:
        self._target = target
        self._token: str = account["access_token"]
        self.user_id: str = account["user_id"]
        self.device_id: str = account["device_id"]
        self.since = ""
        self._numbers = itertools.count(1)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request under `/_matrix/client/v3`."""
        return await self._target.ask(method, "/_matrix/client/v3" + path, body, token=self._token)

    async def create_room(self, **content: Any) -> str:
        """A public room."""
        return str((await self.ask("POST", "/createRoom", {"preset": "public_chat", **content}))["room_id"])

    async def join(self, room_id: str) -> None:
        await self.ask("POST", f"/rooms/{quote(room_id)}/join", {})

    async def say(self, room_id: str) -> None:
        """Send a short text."""
        number = next(self._numbers)
        path = f"/rooms/{quote(room_id)}/send/m.room.message/t{number}"
        await self.ask("PUT", path, {"msgtype": "m.text", "body": f"message {number} of the measurement"})

    async def set_state(self, room_id: str, type: str, state_key: str, content: dict[str, Any]) -> None:
        await self.ask("PUT", f"/rooms/{quote(room_id)}/state/{type}/{quote(state_key)}", content)

    async def sync(self, *, timeout_ms: int = 0, filter: str = "") -> Any:
        """What is new since the last time."""
        path = f"/sync?timeout={timeout_ms}"
        if self.since:
            path += f"&since={quote(self.since)}"
        if filter:
            path += f"&filter={quote(filter)}"
        answer = await self.ask("GET", path)
        self.since = answer["next_batch"]
        return answer
