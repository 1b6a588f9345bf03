"""A homeserver behind its federation door, and other servers that knock there with signed requests and answer as told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ranvier.config.load import parse
from ranvier.http.dispatch import HttpApp
from ranvier.http.listeners import app_for
from ranvier.ports import FederationAnswer, FederationUnreachable
from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash, signed_bytes
from ranvier.proto.key_documents import write_key_document
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64
from ranvier.proto.x_matrix import x_matrix_header
from tests.api.asgi import Client
from tests.api.homeserver import OPTIONS
from tests.federation.peers import Peers, Place, answer
from tests.plays.world import PlayClock
from tests.rooms.remote_room import RemoteRoom

OWN = "ranvier.test"
EVIL = "evil.test"
KEY = SigningKey("ed25519:a", bytes(32))
"""Of every other server, as of those in `RemoteRoom`."""
LISTENER = {"type": "http", "port": 0, "resources": [{"names": ["client", "federation"]}]}


@dataclass(frozen=True)
class Request:
    """What this server has asked another one."""

    server: str
    method: str
    path: str
    body: Any
    timeout_s: float
    limit_bytes: int

    @property
    def act(self) -> str:
        """The part of the path that says what is asked: `state_ids`, `server` (keys), ..."""
        return self.path.split("/")[4]


@dataclass
class Answering(Peers):
    """Other servers: they have keys, take transactions, and answer everything else as `answers_to` says."""

    requests: list[Request] = field(default_factory=list)
    asked_at_s: list[float] = field(default_factory=list)
    """When each of them came."""
    answers_to: dict[str, Callable[[Request], Any]] = field(default_factory=dict)
    """By act."""
    takes_s: float = 0.05

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
        if target.startswith("/_matrix/federation/v1/send/"):
            return await super().request(
                method=method,
                destination=destination,
                target=target,
                headers=headers,
                body=body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            )
        content = orjson.loads(body) if body else None
        request = Request(destination, method, urlsplit(target).path, content, timeout_s, limit_bytes)
        self.requests.append(request)
        self.asked_at_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(min(timeout_s, self.takes_s))
        if destination in self.down or self.takes_s > timeout_s:
            raise FederationUnreachable("timed out")
        if request.path == "/_matrix/key/v2/server":
            document = write_key_document(
                server_name=destination, keys=[KEY], old_keys={}, valid_until_ts=PlayClock().now_ms() + 86_400_000
            )
            return answer(200, document)
        if request.act not in self.answers_to:
            return answer(404, {"errcode": "M_NOT_FOUND", "error": "no"})
        return FederationAnswer(200, {}, encode_lenient(self.answers_to[request.act](request)))

    def count(self, *acts: str) -> int:
        """How often this was asked, of whomever."""
        return sum(request.act in acts for request in self.requests)


@dataclass
class Door:
    """The homeserver, a room in which it is, and one of its users."""

    at: Place
    peers: Answering
    app: HttpApp
    alice: Client
    room: RemoteRoom
    txns: int = 0

    async def ask(
        self, method: str, target: str, body: bytes = b"", *, origin: str = EVIL, key: SigningKey = KEY
    ) -> tuple[int, Any]:
        """The answer to a signed request."""
        header = x_matrix_header(
            method=method, uri=target, origin=origin, destination=OWN, content=body or None, key=key
        )
        return await self.knock(method, target, body, header)

    async def knock(self, method: str, target: str, body: bytes, authorization: str) -> tuple[int, Any]:
        """The answer to a request with this header."""
        headers = [(b"authorization", authorization.encode())]
        status, _, content = await self.app.handle(method, target, headers, body)
        return status, orjson.loads(content)

    async def send(self, *pdus: Any, edus: Any = (), origin: str = EVIL) -> tuple[int, Any]:
        """The answer to a transaction."""
        self.txns += 1
        listed = [pdu.pdu if isinstance(pdu, Event) else pdu for pdu in pdus]
        body = encode_lenient({"origin": origin, "origin_server_ts": 1, "pdus": listed, "edus": list(edus)})
        return await self.ask("PUT", f"/_matrix/federation/v1/send/{self.txns}", body, origin=origin)

    async def taken(self, *pdus: Any, origin: str = EVIL) -> dict[str, Any]:
        """What becomes of events by id; the transaction must be answered."""
        status, answered = await self.send(*pdus, origin=origin)
        assert status == 200, answered
        results: dict[str, Any] = answered["pdus"]
        return results

    async def ends(self) -> set[str]:
        """The ids of the room's ends."""
        room = await self.at.server.rooms.rooms.get(self.room.room_id)
        return {stored.event.event_id for stored in room.extremities}

    async def status(self, event_id: str) -> int | None:
        """What has become of an event; `None` if it is not there."""
        stored = (await self.at.server.rooms.cache.by_id([event_id])).get(event_id)
        return None if stored is None else stored.status

    def message(self, text: str = "hello", **fields: Any) -> Event:
        """A message of a user of the evil server, at the end of the room unless `prev` says where."""
        fields.setdefault("prev", [self.room.tip])
        return self.room.say("m.room.message", {"msgtype": "m.text", "body": text}, sender=f"@u:{EVIL}", **fields)


@asynccontextmanager
async def behind_door(folder: Path, *, version: str = "11", servers: int = 0, **options: Any) -> AsyncIterator[Door]:
    """A homeserver in a room with `evil.test`, and with as many further servers."""
    peers = Answering()
    at = Place(folder, peers=peers, options={"listeners": [LISTENER], **options})
    homeserver = await at.start()
    try:
        server = homeserver.server
        config = parse({**OPTIONS, "listeners": [LISTENER]})
        app = app_for(
            config.listeners[0],
            server.routes,
            authenticator=server.users.sessions,
            servers=server.federation.authentication,
            limiters=server.limiters,
        )
        alice = await homeserver.register("alice")
        room = RemoteRoom(version=version)
        room.join(f"@u:{EVIL}")
        for number in range(servers):
            room.join(f"@u:s{number}.test")
        await room.let_in(homeserver, alice.user_id)
        door = Door(at, peers, app, alice, room)
        # Its keys are known from now on.
        assert (await door.send())[0] == 200
        peers.requests.clear()
        peers.asked_at_s.clear()
        yield door
    finally:
        await at.server.close()


Act = Callable[[Door], Coroutine[None, None, None]]


async def unharmed(folder: Path, act: Act, version: str) -> None:
    """Let something happen; afterwards all is as it was for everybody else."""
    async with behind_door(folder, version=version) as door:
        await act(door)
        (await door.alice.send(door.room.room_id, "m.room.message", {"body": "still here"})).ok()


def forged(door: Door, by: str = EVIL, key: SigningKey = KEY, **fields: Any) -> dict[str, Any]:
    """A message with other fields than its maker wants, hashed and signed by this server."""
    pdu: dict[str, Any] = {**door.message().pdu, **fields}
    for gone in [name for name, value in pdu.items() if value is None]:
        del pdu[gone]
    pdu["hashes"] = {"sha256": encode_base64(content_hash(pdu, door.room.version))}
    pdu["signatures"] = {by: {key.key_id: key.sign(signed_bytes(pdu, door.room.version))}}
    return pdu
