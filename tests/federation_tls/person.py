"""Somebody with an account on one of several servers, who asks with plain HTTP and waits for what comes from elsewhere."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=60)
_PATIENCE_S = 45
_PAGE = 100

Event = dict[str, Any]


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.errcode: str = body.get("errcode", "")


class Person:
    """A user; `open_person` makes one."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._token = ""
        self.user_id = ""

    async def register(self, name: str) -> None:
        """Make an account."""
        account = {"username": name, "password": "secret of tests", "auth": {"type": "m.login.dummy"}}
        answer = await self.ask("POST", "/register", account)
        self._token, self.user_id = answer["access_token"], answer["user_id"]

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request; its answer. Raises `Refused`, and `aiohttp.ClientError` if there is no answer."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"{self._url}/_matrix/client/v3{path}"
        async with self._session.request(method, url, json=body, headers=headers, timeout=_TIMEOUT) as answer:
            content: dict[str, Any] = await answer.json()
            if answer.status != HTTPStatus.OK:
                raise Refused(answer.status, content)
            return content

    async def create_room(self, **content: Any) -> str:
        """Make a room, public unless `content` says otherwise; its ID."""
        room_id: str = (await self.ask("POST", "/createRoom", {"preset": "public_chat"} | content))["room_id"]
        return room_id

    async def join(self, room: str, *via: str) -> None:
        """Join by ID or alias."""
        query = "&".join(f"via={quote(name)}&server_name={quote(name)}" for name in via)
        await self.ask("POST", f"/join/{quote(room)}?{query}", {})

    async def membership(self, room_id: str, act: str, user_id: str | None = None) -> None:
        """`act`: invite, kick, ban, unban (of somebody), leave."""
        await self.ask("POST", f"{_room(room_id)}/{act}", {} if user_id is None else {"user_id": user_id})

    async def say(self, room_id: str, body: str, *, txn_id: str = "") -> str:
        """Send a text; the event's ID."""
        path = f"{_room(room_id)}/send/m.room.message/{txn_id or secrets.token_hex(8)}"
        event_id: str = (await self.ask("PUT", path, {"msgtype": "m.text", "body": body}))["event_id"]
        return event_id

    async def said(self, room_id: str, *, last: int | None = None) -> list[str]:
        """The texts of the room, or of its last events, oldest first, from its history."""
        return [event["content"]["body"] for event in await self.history(room_id, last=last) if _is_text(event)]

    async def history(self, room_id: str, *, last: int | None = None) -> list[Event]:
        """The events of the room, oldest first."""
        found: list[Event] = []
        path = f"{_room(room_id)}/messages?dir=b&limit={_PAGE}"
        following = path
        while last is None or len(found) < last:
            page = await self.ask("GET", following)
            found.extend(page["chunk"])
            if "end" not in page:
                break
            following = f"{path}&from={page['end']}"
        return found[::-1]

    async def members(self, room_id: str) -> set[str]:
        """Who is joined."""
        return set((await self.ask("GET", f"{_room(room_id)}/joined_members"))["joined"])

    async def state(self, room_id: str) -> dict[tuple[str, str], str]:
        """The IDs of the events of the room's state."""
        events: Any = await self.ask("GET", f"{_room(room_id)}/state")
        return {(event["type"], event["state_key"]): event["event_id"] for event in events}

    async def sync(self) -> dict[str, Any]:
        """Everything, from the beginning."""
        return await self.ask("GET", "/sync")

    async def wait_for_texts(self, room_id: str, texts: Sequence[str]) -> None:
        """Wait until the end of the room is these texts, whatever their order."""
        wanted = sorted(texts)

        async def there() -> bool:
            return set(wanted) <= set(await self.said(room_id, last=len(wanted) + _PAGE))

        await patiently(there, lambda: f"{self.user_id} has not heard all of {wanted[:5]}... ({len(wanted)})")

    async def wait_for_members(self, room_id: str, members: set[str]) -> None:
        """Wait until these and nobody else are joined."""

        async def there() -> bool:
            return await self.members(room_id) == members

        await patiently(there, lambda: f"{self.user_id} does not see {members} in {room_id}")

    async def wait_for_section(self, room_id: str, section: str) -> Event:
        """Wait until the room is in this section of a sync (`invite`, `leave` ...); what is there."""

        async def there() -> bool:
            path = "/sync?filter=" + quote('{"room":{"include_leave":true}}')
            found.clear()
            found.update((await self.ask("GET", path)).get("rooms", {}).get(section, {}).get(room_id, {}))
            return bool(found)

        found: Event = {}
        await patiently(there, lambda: f"{self.user_id} has no {section} of {room_id}")
        return found


async def patiently(condition: Callable[[], Any], complaint: Callable[[], str]) -> None:
    """Wait until `await condition()` is true; else fail with what `complaint` says."""
    deadline = time.monotonic() + _PATIENCE_S
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint())
        await asyncio.sleep(0.15)


async def open_person(session: aiohttp.ClientSession, url: str, name: str) -> Person:
    """Somebody new."""
    person = Person(session, url)
    await person.register(f"{name}-{secrets.token_hex(3)}")
    return person


def _room(room_id: str) -> str:
    return f"/rooms/{quote(room_id, safe='')}"


def _is_text(event: Event) -> bool:
    return event["type"] == "m.room.message" and "body" in event["content"]
