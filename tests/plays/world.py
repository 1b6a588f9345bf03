"""Several homeservers in one event loop, with one clock, one network and one seed between them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import orjson

from ranvier.app.homeserver import Homeserver
from ranvier.app.homeserver import World as Surroundings
from ranvier.config.load import parse
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.db.sqlite import open_sqlite
from ranvier.http.listeners import app_for
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.state.history import known_state
from ranvier.users.create_account import NewAccount
from ranvier.users.issue_login import DeviceWish
from tests.api.asgi import Client, in_room
from tests.api.homeserver import OPTIONS
from tests.plays.byzantine import EVIL, EVIL_KEY
from tests.plays.network import Network

NOT_PLAYED = ("/_matrix/client/r0/", "/_matrix/media/r0/")
"""Routes that are there under another path too: to make a router of them takes a good part of a start."""
EPOCH_MS = 1_700_000_000_000


@dataclass(slots=True)
class PlayClock:
    """The time of the loop, as one server's clock shows it."""

    skew_ms: int = 0
    grain_s: float = 0.0
    """Who sleeps for a second or more wakes at a multiple of this: many at once, instead of each at a time of its own."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return EPOCH_MS + self.skew_ms + int(asyncio.get_running_loop().time() * 1000)

    def monotonic(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if self.grain_s and seconds >= 1:
            now = asyncio.get_running_loop().time()
            seconds = ceil((now + seconds) / self.grain_s) * self.grain_s - now
        # Time would stand still if it were asked for less than it can count.
        await asyncio.sleep(max(seconds, 0.001) if seconds > 0 else 0)


@dataclass(frozen=True, slots=True)
class PlayRandom:
    """Bytes that the seed decides."""

    random: Random

    def token_bytes(self, size_bytes: int) -> bytes:
        """So many."""
        return self.random.randbytes(size_bytes)


@dataclass(slots=True)
class World:
    """Everything in a play."""

    seed: int
    folder: Path
    template: Path | None = None
    """A database file that is migrated already."""
    random: Random = field(init=False)
    network: Network = field(init=False)
    servers: dict[str, Homeserver] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    clocks: dict[str, PlayClock] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    grain_s: float = 0.0
    """Of the servers' clocks."""
    opens: Callable[[str], Awaitable[Database]] | None = None
    """Opens the database of the server with this name; `None`: a file of SQLite that no thread has to do with."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.network = Network(Random(self.random.random()))

    async def start(self, name: str) -> Homeserver:
        """A server is up: a new one, or one that goes on with what is on its disk."""
        config = configuration(name, orjson.dumps(self.options))
        server = await Homeserver.start(
            config,
            clock=self.clocks.setdefault(name, PlayClock(grain_s=self.grain_s)),
            random=PlayRandom(Random(self.random.random())),
            world=Surroundings(database=await self._open(name), transport=self.network.transport(name)),
        )
        self.servers[name] = server
        app = app_for(
            config.listeners[0],
            [route for route in server.routes if not route.path.startswith(NOT_PLAYED)],
            authenticator=server.users.sessions,
            servers=server.federation.authentication,
            limiters=server.limiters,
        )
        self.network.apps[name] = app
        for user_id, client in self.clients.items():
            if user_id.endswith(f":{name}"):
                self.clients[user_id] = client.at(app)
        return server

    async def _open(self, name: str) -> Database:
        if self.opens is not None:
            return await self.opens(name)
        path = self.folder / f"{name}.db"
        self.network.met["restart"] += path.exists()
        if not path.exists() and self.template is not None:
            shutil.copyfile(self.template, path)
        return await open_sqlite(str(path), in_thread=False)

    async def crash(self, name: str) -> None:
        """A server is gone from one moment to the next; its disk stays."""
        self.network.met["crash"] += 1
        self.network.apps.pop(name, None)
        await self.servers.pop(name).crash()

    def public_keys(self, name: str) -> dict[str, bytes]:
        """A server's keys by id."""
        if name == EVIL:
            return {EVIL_KEY.key_id: EVIL_KEY.public_key}
        key = SigningKey("ed25519:a_play", key_seed(name))
        return {key.key_id: key.public_key}

    def skew(self, name: str, skew_ms: int) -> None:
        """A server's clock is wrong by so much from now on."""
        clock = self.clocks[name]
        self.network.met["clock skew"] += clock.skew_ms != skew_ms
        clock.skew_ms = skew_ms

    async def user(self, name: str, server: str) -> Client:
        """A new user of a server."""
        user_id = f"@{name}:{server}"
        accounts = self.servers[server].users.accounts
        issued = await accounts.create(NewAccount(user_id=user_id), DeviceWish(device_id="PLAY"))
        assert issued is not None
        client = Client(self.network.apps[server], token=issued.tokens.access_token, user_id=user_id)
        self.clients[user_id] = client
        return client

    async def settle(self, *, at_most_s: float = 7200.0) -> None:
        """Let time pass until nothing is under way any more, or waits to be, between the servers that are up."""
        deadline = asyncio.get_running_loop().time() + at_most_s
        quiet = 0
        while quiet < 2:
            before = len(self.network.requests)
            await asyncio.sleep(5)
            quiet = quiet + 1 if len(self.network.requests) == before and not self._is_busy() else 0
            assert asyncio.get_running_loop().time() < deadline, "the servers do not come to rest"

    def _is_busy(self) -> bool:
        return self.network.on_the_way > 0 or any(
            server.federation.receiving.is_busy
            or any(server.federation.sender.has_work_for(other) for other in self.servers if other != name)
            for name, server in self.servers.items()
        )

    async def state(self, server: str, room_id: str) -> dict[tuple[str, str], str]:
        """A room's state as a server has it: ids of events."""
        services = self.servers[server].rooms
        room = await services.rooms.get(room_id)
        entries = await room.history.load_state(known_state(room.state_no))
        events = await services.cache.get(list(entries.values()))
        return {stored.event.key: stored.event.event_id for stored in events.values() if stored.event.key is not None}

    async def check_agreement(self, room_id: str, servers: Collection[str]) -> None:
        """All of these servers hold the same to be true in a room, in memory and on disk."""
        if not servers:
            return
        first, *others = sorted(servers)
        expected = await self.state(first, room_id)
        for other in others:
            found = await self.state(other, room_id)
            assert found == expected, difference(expected, found)
        for name in servers:
            await self._check_current(name, room_id, expected)

    async def _check_current(self, name: str, room_id: str, expected: dict[tuple[str, str], str]) -> None:
        """The table of the current state says the same as the state history."""
        server = self.servers[name]
        room = await server.rooms.rooms.get(room_id)
        rows = await server.db.all("SELECT event_nid FROM room_current WHERE room_nid = $1", room.room_nid)
        events = await server.rooms.cache.get([row[0] for row in rows])
        found = {stored.event.key: stored.event.event_id for stored in events.values()}
        assert found == expected, difference(expected, found)

    async def close(self) -> None:
        """End of the play."""
        for name in list(self.servers):
            self.network.apps.pop(name, None)
            await self.servers.pop(name).close()


def difference(expected: dict[Any, Any], found: dict[Any, Any]) -> dict[Any, Any]:
    """Where two dictionaries differ, for people."""
    keys = expected.keys() | found.keys()
    return {key: (expected.get(key), found.get(key)) for key in keys if expected.get(key) != found.get(key)}


@asynccontextmanager
async def world(
    seed: int, folder: Path, *names: str, template: Path | None = None, grain_s: float = 0.0
) -> AsyncIterator[World]:
    """A world with these servers."""
    play = World(seed, folder, template, grain_s=grain_s)
    try:
        for name in names:
            await play.start(name)
        yield play
    finally:
        await play.close()


def key_seed(name: str) -> bytes:
    """Of a server's signing key."""
    return blake2b(name.encode(), digest_size=32).digest()


@lru_cache(maxsize=64)
def configuration(name: str, options: bytes) -> Config:
    """A server's; `options` is JSON. Its database is opened by the play."""
    return parse(
        {
            **OPTIONS,
            "server_name": name,
            "signing_key": f"ed25519 a_play {encode_base64(key_seed(name))}",
            "listeners": [{"type": "http", "port": 0, "resources": [{"names": ["client", "federation"]}]}],
            "database": {"name": "sqlite3", "args": {"database": ":memory:"}},
            "trusted_key_servers": [],
            "federation_domain_whitelist": None,
            "federation": {"destination_min_retry_interval": "10s", "destination_max_retry_interval": "1m"},
            "faster_joins": {"give_up_after": "4h"},
            **orjson.loads(options),
        }
    )


async def say(client: Client, room_id: str, body: str) -> str:
    """Say something in a room; the event's id."""
    answer = await client.send(room_id, "m.room.message", {"msgtype": "m.text", "body": body})
    event_id: str = answer.ok()["event_id"]
    return event_id


async def heard(client: Client, room_id: str, limit: int = 100) -> list[str]:
    """What a client reads when it scrolls up, the newest first."""
    page = (await client.get(f"{in_room(room_id)}/messages", dir="b", limit=str(limit))).ok()
    return [event["content"].get("body") for event in page["chunk"] if event["type"] == "m.room.message"]


Step = Callable[[World], Awaitable[None]]
