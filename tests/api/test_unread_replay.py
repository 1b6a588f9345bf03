"""Random plays in one room: what `/sync` counts as unread is what a slow reading of the spec says."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.device import Device, filtered
from tests.api.homeserver import running

THREADS = filtered(room={"timeline": {"unread_thread_notifications": True}})


@dataclass
class Said:
    """A message in the room."""

    event_id: str
    sender: str
    thread: str
    highlight: bool
    redacted: bool = False


@dataclass
class Story:
    """All that was said, and how far the reader has read by each kind of receipt."""

    reader: str
    said: list[Said] = field(default_factory=list)
    read: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def unread(self) -> dict[str, tuple[int, int]]:
        """Notifications and highlights by thread."""
        found: dict[str, tuple[int, int]] = {}
        for index, said in enumerate(self.said):
            if said.sender == self.reader or said.redacted or index <= self._read_upto(said.thread):
                continue
            notify, highlight = found.get(said.thread, (0, 0))
            found[said.thread] = (notify + 1, highlight + said.highlight)
        return found

    def _read_upto(self, thread: str) -> int:
        own = [n for n, said in enumerate(self.said) if said.sender == self.reader and said.thread == thread]
        receipts = [self.read.get((kind, name), -1) for kind in ("m.read", "m.read.private") for name in (None, thread)]
        return max([-1, *own[-1:], *receipts])


class Play:
    """Alice talks, Bob reads and talks."""

    def __init__(self, seed: int, alice: Client, bob: Client, room_id: str) -> None:
        self.random = random.Random(seed)
        self.alice, self.bob, self.room_id = alice, bob, room_id
        self.story = Story(bob.user_id)
        self.device = Device(bob, **THREADS)

    async def step(self) -> None:
        acts = [self.say] * 6 + [self.read] * 3 + [self.redact, self.look, self.look]
        await self.random.choice(acts)()

    async def say(self) -> None:
        client = self.alice if self.random.random() < 0.85 else self.bob
        roots = [said.event_id for said in self.story.said if said.thread == "main" and not said.redacted][:3]
        root = self.random.choice([None, None, *roots])
        highlight = client is self.alice and self.random.random() < 0.3
        content: dict[str, Any] = {"msgtype": "m.text", "body": "x"}
        if root is not None:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": root}
        if highlight:
            content["m.mentions"] = {"user_ids": [self.bob.user_id]}
        event_id = (await client.send(self.room_id, "m.room.message", content)).ok()["event_id"]
        self.story.said.append(Said(event_id, client.user_id, root or "main", highlight))

    async def read(self) -> None:
        if not self.story.said:
            return
        index = self.random.randrange(len(self.story.said))
        said = self.story.said[index]
        kind = self.random.choice(["m.read", "m.read.private"])
        thread = self.random.choice([None, said.thread])
        body = {} if thread is None else {"thread_id": thread}
        path = f"{in_room(self.room_id)}/receipt/{kind}/{part(said.event_id)}"
        (await self.bob.post(path, body)).ok()
        self.story.read[kind, thread] = max(index, self.story.read.get((kind, thread), -1))

    async def redact(self) -> None:
        able = [said for said in self.story.said if said.sender == self.alice.user_id and not said.redacted]
        # A root stays, so that its thread does.
        able = [said for said in able if said.thread != "main" or said not in self.story.said[:5]]
        if able:
            said = self.random.choice(able)
            (await self.alice.redact(self.room_id, said.event_id)).ok()
            said.redacted = True

    async def look(self) -> None:
        if self.random.random() < 0.3:
            self.device.since = None
        rooms = (await self.device.sync()).get("rooms", {})
        if self.room_id in rooms.get("join", {}):
            self.check(rooms["join"][self.room_id])

    def check(self, section: Any) -> None:
        shown = {root: counts(found) for root, found in section.get("unread_thread_notifications", {}).items()}
        shown["main"] = counts(section["unread_notifications"])
        assert {name: found for name, found in shown.items() if found != (0, 0)} == self.story.unread()


def counts(found: Any) -> tuple[int, int]:
    return found["notification_count"], found["highlight_count"]


@pytest.mark.parametrize("seed", range(8))
async def test_counts_are_exact(tmp_path: Path, seed: int) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "play.db")}}
    async with running(database) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        if seed % 2:
            # With a rule of one's own, what the default rules say is of no use.
            await bob.put("/pushrules/global/content/rare", {"pattern": "platypus", "actions": []})
        play = Play(seed, alice, bob, room_id)
        for _ in range(60):
            await play.step()
    for _ in range(3):
        async with running(database) as homeserver:
            play.alice, play.bob = play.alice.at(homeserver.app), play.bob.at(homeserver.app)
            play.device.client = play.bob
            for _ in range(40):
                await play.step()
            play.device.since = None
            play.check(await play.device.joined(room_id))
