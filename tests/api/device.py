"""A client that follows its account by `/sync`: every answer moves it on."""

import asyncio
import json
from typing import Any

from tests.api.asgi import Client


class Device:
    """One device of a user."""

    def __init__(self, client: Client, **query: str) -> None:
        self.client = client
        self.query = query
        self.since: str | None = None

    async def sync(self, **query: str) -> Any:
        """What is new; the next call goes on from there."""
        since = {} if self.since is None else {"since": self.since}
        answer = (await self.client.get("/sync", **{**self.query, **since, **query})).ok()
        self.since = answer["next_batch"]
        return answer

    async def joined(self, room_id: str, **query: str) -> Any:
        """What is new in a joined room; the room must be there."""
        return (await self.sync(**query))["rooms"]["join"][room_id]

    async def ephemeral(self, room_id: str, type: str) -> list[Any]:
        """The contents of what is new of this type in a joined room; none if the room is not there."""
        room = (await self.sync()).get("rooms", {}).get("join", {}).get(room_id, {})
        return [event["content"] for event in room.get("ephemeral", {}).get("events", []) if event["type"] == type]

    async def settle(self) -> None:
        """Follow until there is nothing new."""
        news: set[str] = set()
        for _ in range(5):
            news = {"rooms", "account_data", "presence"} & (await self.sync()).keys()
            if not news:
                return
        raise AssertionError(f"there is always something new: {news}")

    async def waiting(self, timeout_ms: int = 5000) -> "asyncio.Task[Any]":
        """A sync that is under way, waiting for news."""
        task = asyncio.create_task(self.sync(timeout=str(timeout_ms)))
        await asyncio.sleep(0.02)
        assert not task.done(), task.result()
        return task


def filtered(**definition: Any) -> dict[str, str]:
    """The query parameter of a filter."""
    return {"filter": json.dumps(definition)}
