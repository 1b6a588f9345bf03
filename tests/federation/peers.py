"""Other servers that take transactions, and a homeserver that sends to them, in virtual time."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson

from ranvier.app.homeserver import Homeserver as Server
from ranvier.app.homeserver import World
from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.db.sqlite import open_sqlite
from ranvier.federation.sender import Sender
from ranvier.http.listeners import app_for
from ranvier.ports import Clock, FederationAnswer, FederationUnreachable, SystemClock
from tests.api.asgi import Client
from tests.api.homeserver import OPTIONS, Homeserver
from tests.plays.world import PlayClock
from tests.rooms.remote_room import RemoteRoom


@dataclass(frozen=True)
class Sent:
    """A transaction as it came in."""

    at_s: float
    txn_id: str
    body: bytes

    @property
    def content(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Peers:
    """A `FederationTransport`: every server exists, those in `down` cannot be reached."""

    down: set[str] = field(default_factory=set)
    answers: defaultdict[str, list[FederationAnswer]] = field(default_factory=lambda: defaultdict(list))
    """What a server will answer to its next transactions, before it takes them."""
    tried: defaultdict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    taken: defaultdict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    delay_s: float = 0.05
    lost_answers: float = 0.0
    """How often a server takes a transaction, and its answer gets lost."""
    random: Random = field(default_factory=lambda: Random(0))
    open: int = 0
    most_open: int = 0

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        if not target.startswith("/_matrix/federation/v1/send/"):
            raise FederationUnreachable("only transactions are taken")
        loop = asyncio.get_running_loop()
        sent = Sent(loop.time(), target.rpartition("/")[2], body or b"")
        self.tried[destination].append(sent)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(timeout_s if destination in self.down else self.delay_s)
        finally:
            self.open -= 1
        if destination in self.down:
            raise FederationUnreachable("timed out")
        if self.answers[destination]:
            return self.answers[destination].pop(0)
        self.taken[destination].append(sent)
        if self.random.random() < self.lost_answers:
            await asyncio.sleep(timeout_s)
            raise FederationUnreachable("the connection broke")
        return FederationAnswer(200, {}, b'{"pdus":{}}')

    def events(self, server: str) -> list[str]:
        """What the messages said that a server has taken, in order."""
        return [
            pdu["content"]["body"]
            for sent in self.taken[server]
            for pdu in sent.content["pdus"]
            if pdu["type"] == "m.room.message"
        ]

    def edus(self, server: str) -> list[Any]:
        """The EDUs that a server has taken, in order."""
        return [edu for sent in self.taken[server] for edu in sent.content.get("edus", ())]


def answer(status: int, body: Mapping[str, Any] | None = None, **headers: str) -> FederationAnswer:
    """An error."""
    return FederationAnswer(status, headers, orjson.dumps(body or {"errcode": "M_UNKNOWN", "error": "no"}))


@dataclass
class Place:
    """The homeserver under test, and the others."""

    folder: Path
    peers: Peers = field(default_factory=Peers)
    options: dict[str, Any] = field(default_factory=dict)
    database: Mapping[str, Any] | None = None
    """As in a configuration; `None`: SQLite that no thread has to do with, as virtual time wants it."""
    homeserver: Homeserver | None = None
    clock: Clock = field(default_factory=PlayClock)

    @property
    def server(self) -> Server:
        assert self.homeserver is not None
        return self.homeserver.server

    @property
    def sender(self) -> Sender:
        return self.server.federation.sender

    async def start(self) -> Homeserver:
        """A new process over the same database."""
        config = parse({**OPTIONS, "trusted_key_servers": [], "federation_domain_whitelist": None, **self.options})
        database: Database
        if self.database is None:
            database = await open_sqlite(str(self.folder / "sender.db"), in_thread=False)
        else:
            self.clock = SystemClock()
            stored = parse({"server_name": "ranvier.test", "database": self.database}).database
            database = await open_database(stored, now_ms=self.clock.now_ms())
        server = await Server.start(config, clock=self.clock, world=World(database, self.peers))
        app = app_for(config.listeners[0], server.routes, authenticator=server.users.sessions, limiters=server.limiters)
        self.homeserver = Homeserver(server, app)
        return self.homeserver

    async def restart(self, *, crash: bool = False) -> Homeserver:
        """End the process, and start another one."""
        await (self.server.crash() if crash else self.server.close())
        return await self.start()

    def back(self, client: Client) -> Client:
        """A client at the new process."""
        assert self.homeserver is not None
        return client.at(self.homeserver.app)

    async def room(self, user_id: str, *members: str, number: int = 0) -> RemoteRoom:
        """A room with a local user and these remote ones."""
        assert self.homeserver is not None
        room = RemoteRoom(version="11", server=f"began{number}.test")
        for member in members:
            room.join(member)
        await room.let_in(self.homeserver, user_id)
        return room


@asynccontextmanager
async def place(folder: Path, database: Mapping[str, Any] | None = None, **options: Any) -> AsyncIterator[Place]:
    """A homeserver that is up."""
    made = Place(folder, options=options, database=database)
    await made.start()
    try:
        yield made
    finally:
        await made.server.close()
